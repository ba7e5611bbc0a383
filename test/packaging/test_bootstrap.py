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
"""What `make` does before it runs anything: an environment is made, kept, and made anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOW = 'import json, os, sys; print(json.dumps([sys.prefix, dict(os.environ)]))'


class Checkout:
    """
    A checkout with our bootstrap and Makefile, but requirements that a folder of wheels fulfils.

    Its `PATH` has only what the test puts into its folder `bin`, and the tools of the system.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / 'check out'  # with a space, as some people's folders have
        self.bin = folder / 'bin'
        self.wheels = folder / 'wheels'
        for path in (self.root / 'requirements', self.root / 'scripts', self.bin, self.wheels):
            path.mkdir(parents=True)
        shutil.copy(ROOT / 'scripts' / 'bootstrap.py', self.root / 'scripts')
        shutil.copy(ROOT / 'Makefile', self.root)
        shutil.copy(ROOT / 'setup.py', self.root)
        for name in ('run', 'ros-wheels', 'test'):
            self.require(name, f'for-{name}', '1.0')
        for tool in ('sh', 'env', 'make', 'rm', 'find', 'echo'):
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        self.environment = {
            'PATH': str(self.bin), 'HOME': str(folder), 'PIP_NO_INDEX': '1',
            'PIP_FIND_LINKS': self.wheels.as_uri(), 'PIP_CONFIG_FILE': os.devnull}

    def require(self, name: str, package: str, version: str) -> None:
        """Let one file of requirements ask for one package, and have a wheel of it."""
        line = f'{package}=={version}\n'
        (self.root / 'requirements' / f'{name}.txt').write_text(line)
        module = package.replace('-', '_')
        info = f'{module}-{version}.dist-info'
        files = {
            f'{module}.py': f'VERSION = {version!r}\n',
            f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n',
            f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n'
                             'Tag: py3-none-any\n',
            f'{info}/RECORD': ''}
        with zipfile.ZipFile(self.wheels / f'{module}-{version}-py3-none-any.whl', 'w') as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)

    def add_python(self, name: str, script: str = '') -> None:
        """Put a Python on `PATH`: this one, or a shell script that stands for another."""
        path = self.bin / name
        path.write_text('#!/bin/sh\n' + (script or f'exec "{base_python()}" "$@"') + '\n')
        path.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run bootstrap.py with arguments and further variables; return what it said."""
        return subprocess.run(
            [base_python(), str(self.root / 'scripts' / 'bootstrap.py'), *arguments],
            env={**self.environment, **variables}, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def record(self) -> Path:
        """Return the file in which bootstrap.py keeps what it did."""
        return self.root / '.venv' / 'frm_perception.json'


def base_python() -> str:
    """Return the Python that our own environment was made with."""
    return str(getattr(sys, '_base_executable', sys.executable))


def probe_answer(version: str, venv: str = 'true') -> str:
    """Return a shell script that answers bootstrap.py's question as a certain Python would."""
    found = (f'{{"version": [{version}], "executable": "python", "venv": {venv}, "pip": true, '
             '"ros_error": "", "missing": []}')
    return f"echo '{found}'"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout in which nothing is prepared, with one good Python on `PATH`."""
    result = Checkout(tmp_path)
    result.add_python('python3')
    return result


def test_the_environment_is_made_once_and_serves_commands(checkout: Checkout) -> None:
    first = checkout.run('run', '--', 'python', '-c', SHOW)
    assert first.returncode == 0, first.stdout
    prefix, variables = json.loads(first.stdout.splitlines()[-1])
    assert prefix == variables['AMENT_PREFIX_PATH'] == str(checkout.root / '.venv')
    assert variables['PATH'].startswith(f'{prefix}/bin:')
    second = checkout.run('run', '--', 'python', '-c', 'import for_run, for_ros_wheels')
    assert (second.returncode, second.stdout) == (0, '')


def test_commands_of_the_package_are_on_path_and_import_the_checkout(checkout: Checkout) -> None:
    package = checkout.root / 'frm_perception' / 'cli'
    package.mkdir(parents=True)
    (package / 'main.py').write_text(
        'import sys\ndef main():\n    print(sys.argv)\n    return 3\n')
    said = checkout.run('run', '--', 'frm', 'one', '--two')
    assert said.returncode == 3, said.stdout
    assert said.stdout.splitlines()[-1].endswith("bin/frm', 'one', '--two']")


def test_the_checkout_comes_before_an_installed_copy_that_is_sourced(checkout: Checkout) -> None:
    for root, says in ((checkout.root, 'checkout'), (checkout.root.parent / 'install', 'copy')):
        package = root / 'frm_perception' / 'cli'
        package.mkdir(parents=True)
        (package / 'main.py').write_text(f'def main():\n    print({says!r})\n')
    said = checkout.run('run', '--', 'frm', PYTHONPATH=str(checkout.root.parent / 'install'))
    assert said.stdout.splitlines()[-1] == 'checkout', said.stdout


def test_changed_requirements_are_installed(checkout: Checkout) -> None:
    assert checkout.run('run').returncode == 0
    checkout.require('run', 'for-run', '2.0')
    said = checkout.run('run', '--', 'python', '-c', 'import for_run; print(for_run.VERSION)')
    assert said.stdout.splitlines()[-1] == '2.0'


def test_an_installation_that_was_interrupted_is_begun_anew(checkout: Checkout) -> None:
    assert checkout.run('run').returncode == 0
    record = json.loads(checkout.record().read_text())
    checkout.record().write_text(json.dumps({**record, 'unfinished': True}))
    leftover = checkout.root / '.venv' / 'leftover'
    leftover.touch()
    said = checkout.run('run', '--', 'python', '-c', 'import for_run')
    assert said.returncode == 0, said.stdout
    assert 'was left unfinished: making it anew' in said.stdout
    assert not leftover.exists()


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    (checkout.root / '.venv' / 'bin').mkdir(parents=True)
    said = checkout.run('run', '--', 'python', '-c', 'import for_run')
    assert said.returncode == 0, said.stdout
    assert 'is broken: making it anew' in said.stdout


def test_the_python_asked_for_replaces_the_one_that_the_environment_has(
        checkout: Checkout) -> None:
    assert checkout.run('run').returncode == 0
    checkout.add_python('python9', probe_answer('3, 9, 18'))
    said = checkout.run('--python', 'python9', 'run')
    assert said.returncode == 1
    assert 'python9: is Python 3.9.18, too old' in said.stdout
    assert checkout.run('run', '--', 'python', '-c', 'import for_run').returncode == 0


@pytest.mark.parametrize(('script', 'complaint'), [
    (probe_answer('3, 9, 18'), 'python3: is Python 3.9.18, too old'),
    (probe_answer('3, 14, 1'), 'python3: is Python 3.14.1, too new'),
    (probe_answer('3, 12, 3', venv='false'), 'without venv: sudo apt install python3.12-venv'),
])
def test_a_python_that_cannot_be_used_is_named_with_the_reason_and_the_remedy(
        checkout: Checkout, script: str, complaint: str) -> None:
    for name in ('python3', 'python3.12', 'python3.11', 'python3.10'):
        checkout.add_python(name, script)
    # /usr/bin/python3, which is looked at as well, would do on many computers.
    said = checkout.run('--python', 'python3', 'run')
    assert said.returncode == 1
    assert complaint in said.stdout
    assert 'sudo apt install python3 python3-venv' in said.stdout
    assert not (checkout.root / '.venv').exists()


def test_another_python_on_path_is_found_past_those_that_do_not_run(checkout: Checkout) -> None:
    checkout.add_python('python3', probe_answer('3, 9, 18'))
    checkout.add_python('python3.12', 'echo "pyenv: python3.12: command not found"; exit 127')
    checkout.add_python('python3.11', f'exec "{base_python()}" "$@"')
    said = checkout.run('run')
    assert said.returncode == 0, said.stdout
    assert f'using Python {sys.version_info[0]}.{sys.version_info[1]}' in said.stdout


def test_too_little_disk_is_said_before_anything_is_made(checkout: Checkout) -> None:
    script = checkout.root / 'scripts' / 'bootstrap.py'
    text = script.read_text()
    script.write_text(text.replace("GIGABYTES = {'run': ", "GIGABYTES = {'run': 9e6 + "))
    said = checkout.run('run')
    assert said.returncode == 1
    assert f'GB are needed at {checkout.root}' in said.stdout
    assert not (checkout.root / '.venv').exists()


def test_a_package_that_the_index_lacks_is_named(checkout: Checkout) -> None:
    shutil.rmtree(checkout.wheels)
    checkout.wheels.mkdir()
    said = checkout.run('run')
    assert said.returncode == 1
    assert 'The package index has no for-run==1.0 for this Python' in said.stdout


def test_an_index_that_cannot_be_reached_is_said_and_the_next_try_succeeds(
        checkout: Checkout) -> None:
    # Port 9 (discard) of this computer: nobody listens, and no name has to be resolved.
    said = checkout.run('run', PIP_NO_INDEX='0', PIP_FIND_LINKS='', PIP_RETRIES='1',
                        PIP_INDEX_URL='http://127.0.0.1:9/')
    assert said.returncode == 1
    assert 'The package index cannot be reached' in said.stdout
    assert checkout.run('run', '--', 'python', '-c', 'import for_run').returncode == 0


def sourced(prefix: Path, *missing: str) -> dict[str, str]:
    """Return the variables of a sourced ROS whose packages are empty modules."""
    packages = {'rclpy', 'ament_index_python', 'cv_bridge', 'diagnostic_msgs', 'lifecycle_msgs',
                'sensor_msgs', 'std_msgs'}
    for name in packages - set(missing):
        (prefix / name).mkdir(parents=True)
        (prefix / name / '__init__.py').touch()
    return {'ROS_DISTRO': 'jazzy', 'AMENT_PREFIX_PATH': str(prefix), 'PYTHONPATH': str(prefix)}


def test_a_sourced_ros_is_used_and_its_wheels_are_not_installed(
        checkout: Checkout, tmp_path: Path) -> None:
    variables = sourced(tmp_path / 'ros')
    said = checkout.run('run', '--', 'python', '-c', SHOW, **variables)
    assert said.returncode == 0, said.stdout
    _, seen = json.loads(said.stdout.splitlines()[-1])
    assert seen['AMENT_PREFIX_PATH'] == variables['AMENT_PREFIX_PATH']
    installed = json.loads(checkout.record().read_text())['installed']
    assert set(installed) == {'run'}
    assert 'include-system-site-packages = true' in (
        checkout.root / '.venv' / 'pyvenv.cfg').read_text()
    assert checkout.run('run', '--', 'python', '-c', 'import rclpy, for_run',
                        **variables).returncode == 0


def test_an_environment_for_a_sourced_ros_is_made_anew_without_it(
        checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.run('run', **sourced(tmp_path / 'ros')).returncode == 0
    said = checkout.run('run', '--', 'python', '-c', 'import for_ros_wheels')
    assert said.returncode == 0, said.stdout
    assert 'was made for jazzy: making it anew' in said.stdout


def test_a_sourced_ros_that_is_not_complete_is_said_with_the_packages_to_install(
        checkout: Checkout, tmp_path: Path) -> None:
    variables = sourced(tmp_path / 'ros', 'cv_bridge', 'diagnostic_msgs')
    said = checkout.run('--python', 'python3', 'run', **variables)
    assert said.returncode == 1
    assert 'sudo apt install ros-jazzy-cv-bridge ros-jazzy-diagnostic-msgs' in said.stdout


def test_a_sourced_ros_without_a_python_that_imports_it_is_said(
        checkout: Checkout, tmp_path: Path) -> None:
    variables = sourced(tmp_path / 'ros', 'rclpy')
    said = checkout.run('--python', 'python3', 'run', **variables)
    assert said.returncode == 1
    assert "cannot import rclpy of ROS 2 jazzy: No module named 'rclpy'" in said.stdout


def test_make_without_a_python_says_what_to_install(checkout: Checkout) -> None:
    (checkout.bin / 'python3').unlink()
    said = subprocess.run(['make', 'demo'], cwd=checkout.root, env=checkout.environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert said.returncode != 0
    assert 'There is no Python 3. On Debian and Ubuntu: sudo apt install' in said.stdout


def test_make_alone_lists_the_targets(checkout: Checkout) -> None:
    said = subprocess.run(['make'], cwd=checkout.root, env=checkout.environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert said.returncode == 0, said.stdout
    for target in ('demo', 'test', 'test-slow', 'lint', 'clean'):
        assert f'make {target} ' in said.stdout


@pytest.mark.slow
def test_what_the_demo_needs_installs_without_a_compiler_and_without_torch(
        checkout: Checkout) -> None:
    shutil.rmtree(checkout.root / 'requirements')
    shutil.copytree(ROOT / 'requirements', checkout.root / 'requirements')
    # As this computer gets its packages, but with nothing on PATH that could compile.
    checkout.environment = {**os.environ, 'PATH': str(checkout.bin)}
    for name in ('AMENT_PREFIX_PATH', 'ROS_DISTRO', 'PYTHONPATH', 'LD_LIBRARY_PATH',
                 '_ROS_WHEELS_BOOTSTRAP_COMPLETE'):
        checkout.environment.pop(name, None)
    said = checkout.run(
        'run', '--', 'python', '-c',
        'import importlib.util, cv2, cv_bridge, onnxruntime, rclpy, rosbags, sensor_msgs.msg\n'
        'print(importlib.util.find_spec("torch"))')
    assert said.returncode == 0, said.stdout
    assert said.stdout.splitlines()[-1] == 'None'
