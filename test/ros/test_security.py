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
"""
What a node does with the operating system, as Python's audit events tell (PEP 578).

They are of what Python does. Libraries in C and C++ (DDS, ONNX Runtime, OpenCV) raise none.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message

WATCHER = """
import os
import sys

_events = os.open(os.environ['AUDITED_EVENTS'], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _note(event, arguments):
    if event == 'open' or event == 'import' or event.startswith((
            'socket.', 'subprocess.', 'os.system', 'os.exec', 'os.spawn', 'os.posix_spawn',
            'os.fork', 'pty.', 'urllib.', 'http.', 'ftplib.', 'smtplib.', 'pickle.find_class')):
        line = ' '.join([event, *map(str, arguments)]).replace(chr(10), ' ')
        os.write(_events, line.encode() + b'\\n')


sys.addaudithook(_note)
"""


@pytest.fixture(scope='module')
def events(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what a node did from its start to its end, one image in between, one line each."""
    folder = tmp_path_factory.mktemp('audit')
    (folder / 'sitecustomize.py').write_text(WATCHER)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get('PYTHONPATH')]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', path)
        patch.setenv('AUDITED_EVENTS', str(folder / 'events'))
        node = SegmenterProcess(probe, folder / 'log', model_dir=models)
    with node:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('camera').answering() as camera:
            camera.ask(image_message(np.zeros((48, 64, 3), np.uint8), 'bgr8'))
        assert node.change_state('deactivate') and node.change_state('cleanup')
    return (folder / 'events').read_text().splitlines()


def test_the_node_was_watched(events: list[str], models: Path) -> None:
    assert any(event.startswith('import frm_perception.runtime.bundle') for event in events)
    assert any(event.startswith(f'open {models}/tiny/fp32.onnx') for event in events)


def test_the_node_opens_no_socket_and_starts_no_program(events: list[str]) -> None:
    assert [event for event in events
            if not event.startswith(('open ', 'import ', 'pickle.find_class '))] == []


def test_what_the_node_does_not_need_is_not_even_loaded(events: list[str]) -> None:
    imported = {event.split()[1] for event in events if event.startswith('import ')}
    assert not {name for name in imported
                if name.startswith(('frm_perception.ros.children', 'frm_perception.ros.demo',
                                    'frm_perception.ros.private_system', 'frm_perception.cli',
                                    'frm_perception.training', 'torch'))}


def test_nothing_is_unpickled_but_what_numba_compiled(events: list[str]) -> None:
    modules = {event.split()[1] for event in events if event.startswith('pickle.find_class ')}
    assert {name for name in modules if not name.startswith('numba.')} <= {'builtins', 'copyreg'}


def test_of_the_models_the_node_reads_only_the_one_it_uses(
        events: list[str], models: Path) -> None:
    opened = {event.split()[1] for event in events if event.startswith('open ')}
    of_models = {path for path in opened if path.startswith(str(models))}
    assert of_models <= {f'{models}/{name}' for name in (
        'default.yaml', 'tiny/model.yaml', 'tiny/fp32.onnx')}
    assert not {path for path in opened if path.endswith('.onnx')} - of_models
