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
"""A bundle is made of what is committed, and the same commit gives the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from installer.bundle import Problem
from installer.bundle import load_manifest
from installer.bundle import verify
from stand_ins import write_wheel

from scripts import vehicle_bundle
from scripts.vehicle_bundle import make_bundle
from scripts.vehicle_wheels import BundleError
from scripts.vehicle_wheels import Target

TARGET = Target('aarch64', '3.10')


class Checkout:
    """A git checkout of a small package, whose wheels are in folders as if downloaded before."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / 'checkout'
        self.write('package.xml', '<package><version>0.3.0</version></package>')
        self.write('setup.py', 'from setuptools import setup\n'
                               'setup(name="frm_perception", version="0.3.0",\n'
                               '      packages=["frm_perception"], install_requires=["one"],\n'
                               '      data_files=[("share", ["models/a.yaml"])])\n')
        self.write('frm_perception/__init__.py', 'VALUE = 1\n')
        for name in ('models/a.yaml', 'docs/vehicle.md', 'LICENSE', 'vehicle/install.sh',
                     'vehicle/systemd/frm-segmenter.service'):
            self.write(name, f'{name}\n')
        self.write('requirements/run.txt', 'one==1.0\n')
        self.write('requirements/vehicle.txt', 'pip==26.3\n')
        for output in ('out', 'second'):
            for name, version in (('one', '1.0'), ('pip', '26.3')):
                write_wheel(folder / output / 'wheels' / 'aarch64-3.10', name, version, {})
        self.git('init', '--quiet')
        self.git('add', '--all')
        self.git('commit', '--quiet', '--message=first')

    def write(self, name: str, text: str) -> None:
        """Write a file of the checkout."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def git(self, *arguments: str) -> None:
        """Run git in the checkout, as nobody in particular."""
        subprocess.run(['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments],
                       cwd=self.root, check=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a checkout whose requirements are met without a network."""
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
    return Checkout(tmp_path)


def content(tarball: Path) -> dict[str, tarfile.TarInfo]:
    """Return the members of a tarball by their path in the bundle."""
    with tarfile.open(tarball) as archive:
        return {member.name.partition('/')[2]: member for member in archive.getmembers()}


def test_the_same_commit_gives_the_same_bytes(checkout: Checkout, tmp_path: Path) -> None:
    first = make_bundle(checkout.root, TARGET, [], tmp_path / 'out', False)
    again = tmp_path / 'elsewhere'
    subprocess.run(['git', 'clone', '--quiet', checkout.root, again], check=True)
    before = os.umask(0o077)
    try:
        second = make_bundle(again, TARGET, [], tmp_path / 'second', False)
    finally:
        os.umask(before)
    assert first.read_bytes() == second.read_bytes()
    assert subprocess.run(['sha256sum', '-c', f'{first.name}.sha256'], cwd=first.parent,
                          capture_output=True).returncode == 0


def test_a_bundle_holds_wheels_units_documents_and_a_manifest_of_them_all(
        checkout: Checkout, tmp_path: Path) -> None:
    tarball = make_bundle(checkout.root, TARGET, [], tmp_path / 'out', False)
    members = content(tarball)
    assert set(members) == {
        'LICENSE', 'docs/vehicle.md', 'install.sh', 'manifest.json', 'vehicle/install.sh',
        'vehicle/systemd/frm-segmenter.service', 'wheels/one-1.0-py3-none-any.whl',
        'wheels/pip-26.3-py3-none-any.whl', 'wheels/frm_perception-0.3.0-py3-none-any.whl'}
    assert members['install.sh'].mode == 0o755
    with tarfile.open(tarball) as archive:
        top = archive.getnames()[0].partition('/')[0]
        archive.extractall(tmp_path)
    manifest = load_manifest(tmp_path / top)
    assert (manifest.machine, manifest.python, manifest.ros, manifest.version) == (
        'aarch64', '3.10', 'humble', '0.3.0')
    assert set(manifest.files) == set(members) - {'manifest.json'}
    verify(tmp_path / top, manifest, lambda text: None)
    assert f'{manifest.commit[:8]}-aarch64-python3.10' in top
    wheel, = (tmp_path / top / 'wheels').glob('frm_perception-*')
    with zipfile.ZipFile(wheel) as archive:  # what compresses differs from computer to computer
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_what_is_not_committed_is_refused_or_marked(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write('models/a.yaml', 'changed\n')
    with pytest.raises(BundleError, match=r'models/a\.yaml[\s\S]*MODIFIED=1'):
        make_bundle(checkout.root, TARGET, [], tmp_path / 'out', False)
    assert not list(tmp_path.glob('out/*.tar'))
    tarball = make_bundle(checkout.root, TARGET, [], tmp_path / 'out', True)
    assert '-0.3.0+modified-' in tarball.name


def test_a_file_that_git_does_not_know_is_named_and_stays_out(
        checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.write('vehicle/systemd/mine.service', 'mine\n')
    tarball = make_bundle(checkout.root, TARGET, [], tmp_path / 'out', False)
    assert 'not in the bundle, for git does not know it: vehicle/systemd/mine.service' in (
        capsys.readouterr().out)
    assert 'vehicle/systemd/mine.service' not in content(tarball)


def test_a_bundle_that_is_not_complete_is_not_written(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write('requirements/run.txt', '# nothing\n')
    checkout.git('commit', '--quiet', '--all', '--message=second')
    with pytest.raises(BundleError, match=r'frm_perception-0\.3\.0.*needs one'):
        make_bundle(checkout.root, TARGET, [], tmp_path / 'out', False)
    assert not list(tmp_path.glob('out/*.tar*'))


def test_a_wheel_that_is_given_is_taken_with_a_warning_of_what_it_asks_for(
        checkout: Checkout, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vendors = write_wheel(tmp_path, 'one', '1.1', {}, needs=['numpy>=2'],
                          tag='cp310-cp310-linux_aarch64')
    tarball = make_bundle(checkout.root, TARGET, [vendors], tmp_path / 'out', False)
    assert f'WARNING: {vendors.name} needs numpy>=2; it is taken' in capsys.readouterr().out
    wheels = {name for name in content(tarball) if name.startswith('wheels/one-')}
    assert wheels == {f'wheels/{vendors.name}'}


def test_outside_git_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='must be a git checkout'):
        make_bundle(tmp_path, TARGET, [], tmp_path / 'out', False)


def test_make_asks_for_processor_and_python(tmp_path: Path) -> None:
    for given_there, missing in (([], 'ARCH'), (['ARCH=aarch64'], 'PYTHON')):
        said = subprocess.run(['make', 'vehicle-bundle', *given_there], text=True,
                              cwd=vehicle_bundle.ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert said.returncode != 0
        assert f'{missing}=' in said.stdout


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                    max_leaves=5)
FIELDS = ('version', 'commit', 'machine', 'python', 'ros', 'glibc', 'installed_bytes', 'files')


@given(st.binary() | st.fixed_dictionaries(
    {'schema': st.just(1)}, optional={name: JSON for name in FIELDS}).map(
        lambda values: json.dumps(values).encode()))
def test_no_manifest_does_more_than_be_refused(
        tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    folder = tmp_path_factory.mktemp('manifest')
    (folder / 'manifest.json').write_bytes(text)
    try:
        manifest = load_manifest(folder)
    except Problem:
        return
    assert all((folder / name).resolve().is_relative_to(folder) for name in manifest.files)
