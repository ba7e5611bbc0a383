# Copyright 2026 The frm_perception authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""What is said in several places is said alike, and the rooms of the package keep apart."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ('benchmarks', 'frm_perception', 'launch', 'scripts', 'test', 'vehicle')
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob('*.py'))]
REQUIREMENTS = sorted((ROOT / 'requirements').glob('*.txt'))
LARGEST_FILE = 16 * 2**20
LONGEST_MODULE = 400

MAY_IMPORT = {
    'rclpy': {'ros'}, 'sensor_msgs': {'ros'}, 'std_msgs': {'ros'}, 'diagnostic_msgs': {'ros'},
    'cv_bridge': {'ros'}, 'lifecycle_msgs': {'ros'}, 'bondpy': {'ros'}, 'vision_msgs': {'ros'},
    'geometry_msgs': {'ros'}, 'rosgraph_msgs': {'ros'},
    'torch': {'networks', 'training', 'deploy', 'runtime/engines/pytorch.py'},
    'onnx': {'networks', 'deploy'},
    'openvino': {'runtime'}, 'numba': {'runtime'}, 'rosbags': {'media'}, 'mcap': {'media'},
    'xxhash': {'evaluation'}, 'jtop': {'ros'},
    'dask': {'evaluation'}, 'distributed': {'evaluation'},
}
"""Which rooms or modules may import a library, at the top of a module or inside it."""

FROM_PIP = {'backports', 'dask', 'distributed', 'jtop', 'lz4', 'mcap', 'numba', 'onnxruntime',
            'openvino', 'rosbags', 'torch', 'xxhash'}
PYTHON_NAMES = {'cv2': 'python3-opencv', 'jinja2': 'python3-jinja2', 'numpy': 'python3-numpy',
                'tqdm': 'python3-tqdm', 'yaml': 'python3-yaml'}
NOT_ON_A_VEHICLE = {'networks', 'training', 'deploy'}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the top-level names of all libraries that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition('.')[0])
    return frozenset(names)


def room(path: Path) -> str:
    """Return the room of the package that a module is in."""
    return path.relative_to(ROOT / 'frm_perception').parts[0]


def setup_values() -> dict[str, object]:
    """Return the literal arguments of setup() in setup.py."""
    call = next(node for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text()))
                if isinstance(node, ast.Call) and ast.unparse(node.func) == 'setup')
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords
            if isinstance(keyword.value, ast.Constant)}


def package_values() -> ElementTree.Element:
    """Return the root of package.xml."""
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.mark.parametrize('path', [ROOT / 'setup.py', *SOURCES],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_bears_the_licence_and_is_not_too_long(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[:13] == (ROOT / 'frm_perception' / 'labels.py').read_text().splitlines()[:13]
    assert len(lines) <= LONGEST_MODULE


def test_the_licence_is_apache_everywhere() -> None:
    assert 'Apache License\n                           Version 2.0' in (
        ROOT / 'LICENSE').read_text()
    assert package_values().findtext('license') == setup_values()['license'] == 'Apache-2.0'


def test_package_xml_and_setup_py_agree() -> None:
    package, setup = package_values(), setup_values()
    assert package.get('format') == '3'
    assert package.findtext('version') == setup['version']
    assert package.findtext('description') == setup['description']
    maintainer = package.find('maintainer')
    assert maintainer is not None
    assert (maintainer.text, maintainer.get('email')) == (
        setup['maintainer'], setup['maintainer_email'])
    assert package.findtext('export/build_type') == 'ament_python'


@pytest.mark.parametrize('library', MAY_IMPORT)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    allowed = MAY_IMPORT[library]
    package = ROOT / 'frm_perception'
    found = {path for path in package.rglob('*.py') if library in imports(path)}
    assert not {path for path in found
                if not {room(path), str(path.relative_to(package))} & allowed}


def test_package_xml_names_all_that_the_node_imports() -> None:
    named = {element.text for element in package_values() if element.tag == 'exec_depend'}
    used = {PYTHON_NAMES.get(name, name)
            for path in [*(ROOT / 'frm_perception').rglob('*.py'),
                         *(ROOT / 'launch').glob('*.py')]
            if not set(path.parts) & NOT_ON_A_VEHICLE
            for name in imports(path)}
    own = {'frm_perception', *FROM_PIP, *sys.stdlib_module_names}
    assert used - own <= named


def test_a_named_tuple_has_no_other_base_which_python_3_10_refuses() -> None:
    found = {f'{path.name}: {node.name}' for path in SOURCES
             for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.ClassDef) and len(node.bases) > 1
             and any(ast.unparse(base).endswith('NamedTuple') for base in node.bases)}
    assert found == set()


def test_requirements_are_pinned_and_agree() -> None:
    pins = defaultdict(set)
    for path in REQUIREMENTS:
        for line in path.read_text().splitlines():
            text = line.partition('#')[0].strip()
            if text:
                pin = re.fullmatch(r'([\w.-]+)(?:\[\w+\])?==([\w.]+)(?:; *(.+))?', text)
                assert pin is not None, f'{path.name}: {line}'
                pins[re.sub(r'[-_.]+', '-', pin[1]).lower(), pin[3]].add(pin[2])
    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


def test_nothing_that_the_demo_installs_belongs_to_training() -> None:
    text = ''.join((ROOT / 'requirements' / name).read_text()
                   for name in ('run.txt', 'ros-wheels.txt'))
    assert not re.search(r'^(torch|onnx|openvino)\b(?!runtime)', text, re.MULTILINE)


def test_no_file_of_a_model_is_too_large_for_the_repository() -> None:
    sizes = {path: path.stat().st_size for path in (ROOT / 'models').rglob('*') if path.is_file()}
    assert {path: size for path, size in sizes.items() if size > LARGEST_FILE} == {}


def test_a_pytest_plugin_of_a_sourced_ros_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / 'launch_testing_fake.py').write_text('raise RuntimeError("was loaded")\n')
    metadata = tmp_path / 'launch_testing_fake-1.0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Metadata-Version: 2.1\nName: launch-testing-fake\n')
    (metadata / 'entry_points.txt').write_text('[pytest11]\nfake = launch_testing_fake\n')
    command = [sys.executable, '-m', 'pytest', '-q', '--collect-only', 'test/test_labels.py']
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                               env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    assert collected.returncode == 0, collected.stdout + collected.stderr
