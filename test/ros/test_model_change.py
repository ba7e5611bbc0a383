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
"""`frm model` changes the model of a running node, or leaves it and the store as they were."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from node_process import DEADLINE
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import add_precision
from odd_bundles import fragile_model
from odd_bundles import slow_model
from tiny_bundle import manifest
from tiny_bundle import tiny_model
from tiny_bundle import write_bundle
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.labels import LabelSpace

BRIGHT = np.full((40, 60, 3), 250, np.uint8)
RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)
OTHER = LabelSpace(
    name='other', classes=('grass', 'road', 'gravel'),
    palette=((0, 255, 0), (255, 0, 0), (0, 0, 255)), drivable=('gravel',))


@pytest.fixture
def store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a store with the model `first`, which is current."""
    folder = tmp_path / 'store'
    first = write_tiny_bundle(tmp_path / 'bundles', 'first')
    assert main(['model', 'install', str(first), '--store', str(folder)]) == 0
    return folder


def start(probe: Probe, tmp_path: Path, store: Path, **parameters: object) -> SegmenterProcess:
    return SegmenterProcess(
        probe, tmp_path / 'log', options=['--autostart'], cameras=['front'], threads=1,
        model_dir=store / 'current', overrides={'front/image_raw': RELIABLE}, **parameters)


def change(store: Path, node: str, *arguments: object) -> tuple[int, str]:
    """Run `frm model` in a process of its own; return its status and what it said."""
    done = subprocess.run(
        [sys.executable, '-m', 'frm_perception.cli.main', 'model', *map(str, arguments),
         '--store', str(store), '--node', node, '--timeout', str(2 * DEADLINE)],
        stderr=subprocess.PIPE, text=True, timeout=4 * DEADLINE)
    return done.returncode, done.stderr


def current(store: Path) -> str:
    """Return the name of the bundle that is current."""
    return Path(os.readlink(store / 'current')).name.rpartition('-')[0]


@contextmanager
def stream(camera: Camera, pixels: np.ndarray) -> Iterator[list[int]]:
    """Publish images as long as the block runs; the list has their number at the end of it."""
    ended, sent = threading.Event(), [0]

    def publish() -> None:
        while not ended.wait(0.02):
            camera.publisher.publish(image_message(pixels, 'rgb8'))
            sent[0] += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def test_images_are_answered_while_the_model_changes_and_is_rolled_back(
        probe: Probe, tmp_path: Path, store: Path) -> None:
    second = write_tiny_bundle(tmp_path / 'bundles', 'second', space=OTHER)
    with start(probe, tmp_path, store) as node, Diagnostics(probe, node) as diagnostics, \
            node.camera('front', qos=DEEP) as camera:
        diagnostics.status_where('engine', state='active')
        camera.connected()
        with stream(camera, RED) as sent:
            status, said = change(store, node.name, 'install', second)
            assert (status, current(store)) == (0, 'second'), said
            diagnostics.status_where('engine', model='second')
            status, said = change(store, node.name, 'rollback')
            assert (status, current(store)) == (0, 'first'), said
        _, values = diagnostics.status_where('front', received=str(sent[0]), in_flight='0')
        assert values['failed'] == values['malformed'] == '0'
        assert int(values['answered']) + int(values['dropped']) == sent[0]
        wait_until(lambda: len(camera.answers['label']) == int(values['answered']), 'all answers')
        labels = {int(message.data[0]) for message in camera.answers['label'].values()}
        assert labels == {1}  # "road" of both models
        drivable = {int(message.data[0]) for message in camera.answers['drivable'].values()}
        assert drivable == {0, 255}
        assert node.log().count('images are answered by the new engine') == 2


@pytest.mark.slow
def test_a_model_that_the_node_refuses_or_cannot_build_is_not_current(
        probe: Probe, tmp_path: Path, store: Path) -> None:
    without_road = LabelSpace('bare', ('grass', 'gravel'), ((0, 255, 0), (0, 0, 255)), ('gravel',))
    refused = write_tiny_bundle(tmp_path / 'bundles', 'refused', space=without_road)
    unfit = write_tiny_bundle(tmp_path / 'bundles', 'unfit')
    model = onnx.load_from_string(tiny_model())
    model.graph.node[-1].output[0] = model.graph.output[0].name = 'something'
    add_precision(unfit, 'special', model.SerializeToString())
    first = write_tiny_bundle(tmp_path / 'again', 'first')
    add_precision(first, 'special', tiny_model())
    assert main(['model', 'install', str(first), '--store', str(store)]) == 0
    with start(probe, tmp_path, store, precision='special', drivable_classes=['road']) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        diagnostics.status_where('engine', state='active')
        before = node.get_parameters(['model_dir'])
        add_precision(refused, 'special', tiny_model(without_road))
        for bundle, why in ((refused, 'refuses it: '), (unfit, 'could not be built')):
            status, said = change(store, node.name, 'install', bundle)
            assert (status, current(store)) == (1, 'first'), said
            assert why in said and 'is the current model again' in said
            assert node.get_parameters(['model_dir']) == before
        camera.connected().ask(image_message(RED, 'rgb8'))
        _, values = diagnostics.next_status('engine')
        assert values['model'] == 'first'


@pytest.mark.slow
def test_a_model_that_fails_once_it_serves_is_taken_back(
        probe: Probe, tmp_path: Path, store: Path) -> None:
    data = fragile_model()
    fragile = write_bundle(tmp_path / 'bundles', manifest(data, 'fragile'), data)
    with start(probe, tmp_path, store) as node, Diagnostics(probe, node) as diagnostics, \
            node.camera('front', qos=DEEP) as camera:
        diagnostics.status_where('engine', state='active')
        camera.connected()
        with stream(camera, BRIGHT):
            status, said = change(store, node.name, 'install', fragile)
            assert (status, current(store)) == (1, 'first'), said
            assert 'fail' in said
            diagnostics.status_where('engine', model='first', state='active')
        camera.connected().ask(image_message(BRIGHT, 'rgb8'))


def test_without_the_node_that_is_named_nothing_changes(tmp_path: Path, store: Path,
                                                        monkeypatch: pytest.MonkeyPatch,
                                                        capsys: pytest.CaptureFixture[str]
                                                        ) -> None:
    monkeypatch.setattr('frm_perception.ros.model_change.REPORT_TIMEOUT_S', 0.5)
    second = write_tiny_bundle(tmp_path / 'bundles', 'second')
    assert main(['model', 'install', str(second), '--store', str(store),
                 '--node', f'nobody{os.getpid()}']) == 1
    assert current(store) == 'first'
    assert 'Without --node' in capsys.readouterr().err


@pytest.mark.slow
def test_who_is_killed_while_the_node_builds_leaves_the_new_model_whole_for_its_next_start(
        probe: Probe, tmp_path: Path, store: Path) -> None:
    data = slow_model(4)
    content = manifest(data, 'slow')
    content['precisions']['fp32']['sha256'] = hashlib.sha256(data).hexdigest()
    slow = write_bundle(tmp_path / 'bundles', content, data)
    with start(probe, tmp_path, store) as node, Diagnostics(probe, node) as diagnostics:
        diagnostics.status_where('engine', state='active')
        command = subprocess.Popen(
            [sys.executable, '-m', 'frm_perception.cli.main', 'model', 'install', str(slow),
             '--store', str(store), '--node', node.name])
        wait_until(lambda: current(store) == 'slow', 'the new model', 4 * DEADLINE)
        command.send_signal(signal.SIGKILL)
        command.wait()
        assert node.end(signal.SIGKILL) == -signal.SIGKILL
    with start(probe, tmp_path, store, namespace=node.namespace) as again, \
            Diagnostics(probe, again) as diagnostics:
        diagnostics.status_where('engine', model='slow', state='active')
        status, said = change(store, again.name, 'rollback')
        assert (status, current(store)) == (0, 'first'), said
