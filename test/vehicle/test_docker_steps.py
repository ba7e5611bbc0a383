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
"""The steps of an image that need no container engine, done for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile import stages

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'vehicle' / 'docker'
PREFIX = '/opt/frm_perception'

# What `docker run --read-only` with two volumes and a /tmp leaves to the processes in it.
READ_ONLY = r"""
set -e
mount --make-rprivate /
for folder in cache log tmp; do mount --bind "$1/$folder" "$1/$folder"; done
mount -o remount,bind,ro /
if touch "$1/there" 2>/dev/null; then echo 'the file system is not read-only'; exit 1; fi
export HOME=$1/cache XDG_CACHE_HOME=$1/cache NUMBA_CACHE_DIR=$1/cache/numba TMPDIR=$1/tmp
export ROS_LOG_DIR=$1/log ROS_SETUP=$1/setup.bash
"$1/entrypoint.sh" python -m frm_perception.ros.segmenter --autostart \
    --ros-args --params-file "$2/config/segmenter.yaml" &
node=$!
for _ in $(seq 20); do
    status=0
    "$1/entrypoint.sh" python -m frm_perception.cli.main health --timeout 5 || status=$?
    [ $status -ne 0 ] || break
    sleep 1
done
kill -TERM $node
wait $node
exit $status
"""


def build(stage: str, file: Path, prefix: Path, source: Path) -> None:
    """Do what a stage copies and runs, but for what needs the base's package manager."""
    chosen, = (each for each in stages(file) if each.name == stage)
    source.mkdir()
    for instruction in chosen.instructions:
        if instruction.word == 'COPY':
            *sources, target = instruction.text.split()
            for name in sources:
                place = source / target / (Path(name).name if target.endswith('/') else '')
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, place,
                                    ignore=shutil.ignore_patterns('__pycache__'))
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, place)
        elif instruction.word == 'RUN' and 'apt-get' not in instruction.text:
            text = instruction.text.replace(PREFIX, str(prefix))
            said = subprocess.run(['bash', '-o', 'pipefail', '-c', text], cwd=source, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert said.returncode == 0, said.stdout


@pytest.mark.slow
def test_the_node_works_behind_the_entry_point_with_a_read_only_file_system(
        tmp_path: Path) -> None:
    pytest.importorskip('rclpy', reason='needs ROS: requirements/ros-wheels.txt')
    unshare = ['unshare', '--mount', *([] if os.geteuid() == 0 else ['--map-root-user'])]
    if subprocess.run([*unshare, 'true'], capture_output=True).returncode:
        pytest.skip('this user may not make mounts of its own')
    for name in ('cache', 'log', 'tmp'):
        (tmp_path / name).mkdir()
    (tmp_path / 'venv').symlink_to(sys.prefix)
    (tmp_path / 'setup.bash').write_text('')
    shutil.copy(FOLDER / 'entrypoint.sh', tmp_path)
    said = subprocess.run(
        [*unshare, 'bash', '-c', READ_ONLY, 'bash', tmp_path, ROOT], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert said.returncode == 0, said.stdout
    assert '/segmenter is healthy' in said.stdout
    assert len(list((tmp_path / 'log').iterdir())) == 1  # the node's


@pytest.mark.slow
def test_what_is_built_segments_without_pytorch(tmp_path: Path) -> None:
    prefix = tmp_path / 'frm_perception'
    build('build', FOLDER / 'Dockerfile.x86_64', prefix, tmp_path / 'src')
    shutil.copy(FOLDER / 'entrypoint.sh', prefix)
    (tmp_path / 'setup.bash').write_text('')
    report = tmp_path / 'report.json'
    said = subprocess.run(
        [prefix / 'entrypoint.sh', 'frm', 'benchmark', '--device-report', '--sizes', '64x96',
         '--camera', '120x160', '--seconds', '0.1', '--sustained', '0.1', '--json', report],
        cwd=tmp_path, capture_output=True, text=True,
        env={'PATH': os.environ['PATH'], 'HOME': str(tmp_path),
             'ROS_SETUP': str(tmp_path / 'setup.bash')})
    assert said.returncode == 0, said.stderr
    results = json.loads(report.read_text())
    assert {'cpu', 'openvino'} <= {variant['provider_run'] for variant in results['variants']}
    why, = (failure['why'] for failure in results['failures'] if failure['provider'] == 'torch')
    assert 'PyTorch cannot be imported' in why
    assert results['commit'] == 'unknown'
    assert all((prefix / 'venv' / 'lib' / 'frm_perception' / name).resolve().is_file()
               for name in ('frm', 'segmenter'))
