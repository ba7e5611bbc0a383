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
"""Images between processes, with and without the shared memory profile; and children's ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from frm_perception.evaluation.record import percentiles
from frm_perception.media.files import write_json
from frm_perception.ros.children import ChildError
from frm_perception.ros.children import Children
from frm_perception.ros.private_system import free_domain
from frm_perception.ros.private_system import private_environment
from frm_perception.ros.private_system import shared_memory_warning
from frm_perception.ros.transport_benchmark import combinations
from frm_perception.ros.transport_benchmark import description
from frm_perception.ros.transport_benchmark import measure
from frm_perception.ros.transport_benchmark import table
from frm_perception.runtime.share import share_folder
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

_REPOSITORY = Path(__file__).parents[2]
_SEGMENT_BYTES = 64 * 2**20
_LARGEST_SEGMENT = """
import rclpy
rclpy.init()
node = rclpy.create_node('probe')
sizes = [0]
for line in open('/proc/self/maps'):
    if '/dev/shm/fastrtps_' in line:
        first, last = line.split()[0].split('-')
        sizes.append(int(last, 16) - int(first, 16))
print(max(sizes))
"""
_PARENT = """
import sys, time
from pathlib import Path
from frm_perception.ros.children import Children
import os
with Children(Path(sys.argv[1])) as children:
    children.start('sleeper', 'sleeper', [], os.environ)
    while not Path(sys.argv[1], 'pid').exists():
        time.sleep(0.01)
    print('ready', flush=True)
    time.sleep(600)
"""
_SLEEPER = """
import os, time
with open('pid.new', 'w') as file:
    file.write(str(os.getpid()))
os.rename('pid.new', 'pid')
time.sleep(600)
"""


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_with_the_profile_every_reliable_image_arrives_and_the_results_can_be_read_back(
        tmp_path: Path) -> None:
    runs = [run for run in combinations([(640, 480)]) if run.reliable]

    results = measure(seconds=0.5, rate=20.0, runs=runs)
    write_json(tmp_path / 'new' / 'transport.json', results)

    read = json.loads((tmp_path / 'new' / 'transport.json').read_text())
    assert read == results
    as_it_comes, with_profile = read['runs']
    assert (as_it_comes['profile'], with_profile['profile']) == (False, True)
    assert with_profile['sent'] == with_profile['received'] == 10
    assert 0 < with_profile['latency_ms']['p50'] <= with_profile['latency_ms']['p99']
    assert read['machine']['cores'] >= 1
    assert len(table(read).splitlines()) == 2 + len(runs)
    assert read['machine']['kernel'] in description(read)


@pytest.mark.parametrize('profile', [False, True])
def test_the_profile_is_understood_and_its_segment_is_the_large_one(profile: bool) -> None:
    environment = private_environment(free_domain())
    environment.pop(PROFILE_VARIABLE, None)
    if profile:
        environment[PROFILE_VARIABLE] = str(share_folder('config') / 'fastdds_shm.xml')

    found = subprocess.run([sys.executable, '-c', _LARGEST_SEGMENT], env=environment, text=True,
                           capture_output=True, check=True, timeout=60)

    assert found.stderr == ''
    assert (int(found.stdout) >= _SEGMENT_BYTES) == profile


def test_the_documented_table_is_what_the_program_printed() -> None:
    results = json.loads((_REPOSITORY / 'docs' / 'transport.json').read_text())
    text = (_REPOSITORY / 'docs' / 'transport.md').read_text()
    assert table(results) in text
    assert description(results) in text


def test_a_shared_memory_too_small_is_explained_and_one_large_enough_is_not() -> None:
    assert 'shm-size' in shared_memory_warning(processes=10**9)
    assert shared_memory_warning(processes=0) == ''


def test_a_domain_with_a_running_participant_is_not_free() -> None:
    domain = free_domain()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('', 7400 + 250 * domain + 10))
        assert free_domain() != domain


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_children_end_with_their_parent_however_it_ends(
        number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / 'sleeper.py').write_text(_SLEEPER)
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}:{_REPOSITORY}'}
    with subprocess.Popen([sys.executable, '-c', _PARENT, str(tmp_path)], cwd=tmp_path,
                          env=environment, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == 'ready\n'
        child = int((tmp_path / 'pid').read_text())
        assert is_running(child)

        parent.send_signal(number)

        assert parent.wait(timeout=20) != 0
    assert wait_until(lambda: not is_running(child))


def test_a_child_that_fails_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start('camera', 'frm_perception.no_such_module', [], os.environ)
        with pytest.raises(ChildError, match=r'(?s)the camera ended.*camera\.log.*no_such_module'):
            child.expect('ready', timeout=20)


def test_a_child_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start('camera', 'http.server', ['0', '--bind', '127.0.0.1'], os.environ)
        with pytest.raises(ChildError, match="did not report 'ready' within"):
            child.expect('ready', timeout=0.5)


def test_percentiles_of_nothing_are_nothing_and_of_one_value_that_value() -> None:
    assert percentiles([]) == {}
    assert percentiles([3.0]) == {'p50': 3.0, 'p95': 3.0, 'p99': 3.0, 'max': 3.0}
