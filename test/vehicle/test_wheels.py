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
"""The wheels of a bundle are for its target, whole, and all that each of them needs there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name
from stand_ins import HERE
from stand_ins import supported
from stand_ins import write_wheel

from scripts.vehicle_wheels import GLIBC
from scripts.vehicle_wheels import MACHINES
from scripts.vehicle_wheels import BundleError
from scripts.vehicle_wheels import Target
from scripts.vehicle_wheels import check_wheel
from scripts.vehicle_wheels import collect
from scripts.vehicle_wheels import glibc_of
from scripts.vehicle_wheels import pins
from scripts.vehicle_wheels import unmet

ROOT = Path(__file__).resolve().parents[2]
JETPACK_6 = Target('aarch64', '3.10')
JETPACK_7 = Target('aarch64', '3.12')
TARGETS = [Target(machine, python) for machine in MACHINES for python in GLIBC]


@pytest.mark.parametrize('target', TARGETS, ids=lambda target: f'{target.machine}-{target.python}')
def test_every_pin_counts_once_for_a_target(target: Target) -> None:
    found = pins((ROOT / 'requirements' / 'run.txt').read_text(), target)
    names = [canonicalize_name(pin.name) for pin in found]
    assert sorted(names) == sorted(set(names))
    assert {'numpy', 'onnxruntime', 'opencv-python-headless', 'numba', 'rosbags'} < set(names)


def test_markers_are_answered_for_the_target_and_not_for_this_computer() -> None:
    text = 'old==1; python_version < "3.11"\narm==1; platform_machine == "aarch64"\n' \
           'windows==1; sys_platform == "win32"\n'
    assert [pin.name for pin in pins(text, JETPACK_6)] == ['old', 'arm']
    assert [pin.name for pin in pins(text, Target('x86_64', '3.12'))] == []


@pytest.mark.skipif(not supported(), reason='no bundle is made for this Python or processor')
def test_a_target_like_this_computer_takes_no_wheel_that_this_computer_refuses() -> None:
    ours = {tag for tag in HERE.tags if not tag.platform.startswith('manylinux_2_')}
    assert ours <= set(sys_tags())


@pytest.mark.parametrize(('tag', 'fits'), [
    ('py3-none-any', {'3.10', '3.12'}),
    ('cp310-cp310-manylinux_2_28_aarch64', {'3.10'}),
    ('cp312-cp312-manylinux_2_39_aarch64', {'3.12'}),
    ('cp310-cp310-manylinux_2_39_aarch64', set()),  # newer than Ubuntu 22.04
    ('cp310-cp310-linux_aarch64', {'3.10'}),  # as a vendor names them
    ('cp37-abi3-manylinux2014_aarch64', {'3.10', '3.12'}),
    ('cp310-cp310-manylinux_2_28_x86_64', set()),
    ('cp311-cp311-manylinux_2_28_aarch64', set()),
    ('cp310-cp310-musllinux_1_2_aarch64', set()),
])
def test_a_wheel_fits_by_its_tags(tmp_path: Path, tag: str, fits: set[str]) -> None:
    wheel = write_wheel(tmp_path, 'one', '1.0', {}, tag=tag)
    found = set()
    for target in (JETPACK_6, JETPACK_7):
        try:
            check_wheel(wheel, target)
            found.add(target.python)
        except BundleError as error:
            assert f'is not for Python {target.python} on aarch64' in str(error)
    assert found == fits


def test_a_wheel_that_is_cut_short_or_changed_is_named(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, 'one', '1.0', {'one.py': 'x' * 1000})
    content = bytearray(wheel.read_bytes())
    content[500] ^= 1
    wheel.write_bytes(content)
    with pytest.raises(BundleError, match=r'one-1\.0.*is damaged: one\.py'):
        check_wheel(wheel, JETPACK_6)
    os.truncate(wheel, 700)
    with pytest.raises(BundleError, match=r'one-1\.0.*is no wheel'):
        check_wheel(wheel, JETPACK_6)


@pytest.mark.parametrize(('needs', 'fault'), [
    ([], ''),
    (['two>=1'], ''),
    (['two>=1; python_version < "3.9"', 'three; extra == "more"'], ''),
    (['onnxruntime>=1.23'], ''),  # whatever the vendor calls his
    (['two>=2'], 'one-1.0-py3-none-any.whl needs two>=2, and 1.5 is there'),
    (['Three.Four'], 'one-1.0-py3-none-any.whl needs Three.Four'),
    (['three; platform_machine == "aarch64"'], 'needs three'),
])
def test_what_a_wheel_needs_on_the_target_must_be_there(
        tmp_path: Path, needs: list[str], fault: str) -> None:
    wheels = [write_wheel(tmp_path, 'one', '1.0', {}, needs),
              write_wheel(tmp_path, 'two', '1.5', {}),
              write_wheel(tmp_path, 'onnxruntime_gpu', '1.23.0', {})]
    assert [fault in line for line in unmet(wheels, [], JETPACK_6)] == [True] * bool(fault)


def test_the_oldest_glibc_is_that_of_the_most_demanding_wheel(tmp_path: Path) -> None:
    tags = ('py3-none-any', 'cp310-cp310-manylinux_2_27_aarch64.manylinux_2_28_aarch64',
            'cp310-cp310-manylinux2014_aarch64.manylinux_2_17_aarch64')
    wheels = [write_wheel(tmp_path, f'w{number}', '1.0', {}, tag=tag)
              for number, tag in enumerate(tags)]
    assert glibc_of(wheels) == '2.27'
    assert glibc_of(wheels[:1]) == '2.17'


class Index:
    """A folder of wheels in place of the package index."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / 'index'
        self.folder.mkdir()
        for name, value in (('PIP_NO_INDEX', '1'), ('PIP_FIND_LINKS', str(self.folder)),
                            ('PIP_CONFIG_FILE', os.devnull)):
            monkeypatch.setenv(name, value)

    def add(self, name: str, version: str, tag: str = 'py3-none-any') -> None:
        """Have one more wheel."""
        write_wheel(self.folder, name, version, {}, tag=tag)


def test_downloads_are_kept_and_go_on_where_they_were(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, cache = Index(tmp_path, monkeypatch), tmp_path / 'cache'
    wanted = pins('one==1.0\ntwo==2.0\n', JETPACK_6)
    index.add('one', '1.0', 'cp310-cp310-manylinux_2_28_aarch64')
    index.add('one', '1.0', 'cp312-cp312-manylinux_2_28_aarch64')
    with pytest.raises(BundleError, match='two==2.0.*\n.*the same command goes on'):
        collect(wanted, [], JETPACK_6, cache)
    for wheel in index.folder.iterdir():
        wheel.unlink()
    index.add('two', '2.0')
    assert [path.name for path in collect(wanted, [], JETPACK_6, cache)] == [
        'one-1.0-cp310-cp310-manylinux_2_28_aarch64.whl', 'two-2.0-py3-none-any.whl']
    assert sorted(path.name for path in cache.iterdir()) == [
        'one-1.0-cp310-cp310-manylinux_2_28_aarch64.whl', 'two-2.0-py3-none-any.whl']


def test_a_wheel_that_is_given_stands_for_the_pinned_one(tmp_path: Path) -> None:
    given = write_wheel(tmp_path, 'onnxruntime_gpu', '1.23.0', {}, tag='cp310-cp310-linux_aarch64')
    wanted = pins('onnxruntime==1.23.2', JETPACK_6)
    assert collect(wanted, [given], JETPACK_6, tmp_path / 'cache') == [given]
    with pytest.raises(BundleError, match=r'is not for Python 3\.12'):
        collect(wanted, [given], JETPACK_7, tmp_path / 'cache')


def test_python_of_this_test_is_not_what_a_target_is_resolved_for() -> None:
    other = Target('aarch64', '3.10' if sys.version_info >= (3, 12) else '3.12')
    assert not any(tag.interpreter == f'cp3{sys.version_info.minor}' and tag.abi.startswith('cp')
                   for tag in other.tags)
