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
"""A service manager learns when the node is ready, and whether it lives."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_process import DEADLINE
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import write_fragile_bundle
from odd_bundles import write_hanging_bundle
from tiny_bundle import write_tiny_bundle

from frm_perception.ros.supervision import Progress
from frm_perception.ros.supervision import Stall

BRIGHT = np.full((40, 60, 3), 250, np.uint8)
DARK = np.full((40, 60, 3), 100, np.uint8)
LONG_WITHOUT_FOOD_S = 2.5
"""The node feeds the watchdog once a second."""


class Manager:
    """Listens as systemd does, on a socket that the environment of a new process names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        name = f'frm_perception_{os.getpid()}_{id(self)}'
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind('\0' + name)
        monkeypatch.setenv('NOTIFY_SOCKET', f'@{name}')
        monkeypatch.setenv('WATCHDOG_USEC', '30000000')
        self.heard: list[str] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while message := self._socket.recv(1 << 16):
            self.heard += message.decode().split('\n')

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b'', self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def texts(self) -> list[str]:
        return list(self.heard)

    def wait_for(self, text: str) -> None:
        wait_until(lambda: any(heard.startswith(text) for heard in self.texts()), text)

    def meals(self) -> int:
        return self.texts().count('WATCHDOG=1')

    def is_fed(self) -> bool:
        """Wait until the watchdog is fed from now on."""
        before = self.meals()
        return bool(wait_until(lambda: self.meals() > before, 'food for the watchdog'))

    def starves(self) -> bool:
        """Tell whether the watchdog gets nothing for long."""
        before = self.meals()
        time.sleep(LONG_WITHOUT_FOOD_S)
        return self.meals() == before


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """Return a service manager for the nodes that are started from now on."""
    running = Manager(monkeypatch)
    yield running
    running.close()


def start(probe: Probe, tmp_path: Path, **parameters: object) -> SegmenterProcess:
    return SegmenterProcess(
        probe, tmp_path / 'log', options=['--autostart'], cameras=['front'],
        model_dir=tmp_path / 'models', overrides={'front/image_raw': RELIABLE}, **parameters)


def streaming(camera: Camera, pixels: np.ndarray) -> Callable[[], None]:
    """Publish images from now on, until what is returned is called."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.05):
            camera.publisher.publish(image_message(pixels, 'rgb8'))

    thread = threading.Thread(target=publish)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join()
    return end


def test_a_node_that_answers_or_has_nothing_to_answer_is_alive_and_a_stopped_one_is_not(
        probe: Probe, tmp_path: Path, manager: Manager) -> None:
    write_tiny_bundle(tmp_path / 'models')
    with start(probe, tmp_path) as node, node.camera('front', qos=DEEP) as camera:
        manager.wait_for('READY=1')
        assert node.state() == 'active'
        assert manager.is_fed()  # no camera publishes yet
        camera.connected()
        end = streaming(camera, DARK)
        manager.wait_for('STATUS=active; front 1')
        assert manager.is_fed()
        end()
        assert manager.is_fed()
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)  # for what it said before
        assert manager.starves()
        node.process.send_signal(signal.SIGCONT)
        assert manager.is_fed()
        assert node.change_state('deactivate') and manager.is_fed()
        assert node.end(signal.SIGTERM) == 0
        assert 'STOPPING=1' in manager.texts()
        assert 'Traceback' not in node.log()


def test_an_engine_that_hangs_is_not_alive_though_the_node_goes_on_reporting(
        probe: Probe, tmp_path: Path, manager: Manager) -> None:
    write_hanging_bundle(tmp_path / 'models')
    with start(probe, tmp_path) as node, Diagnostics(probe, node) as diagnostics, \
            node.camera('front', qos=DEEP) as camera:
        manager.wait_for('READY=1')
        camera.connected().ask(image_message(DARK, 'rgb8'))
        end = streaming(camera, BRIGHT)
        try:
            wait_until(lambda: float(diagnostics.next_status('engine')[1]['unanswered_s']) > 0,
                       'images in vain')
            assert manager.starves()
            status = wait_until(
                lambda: next((status for status in [diagnostics.next_status('engine')[0]]
                              if 'none was answered' in status.message), None), 'an error')
            assert status.level == status.ERROR
        finally:
            end()
            node.process.kill()  # nothing else ends an engine that hangs
            node.process.wait(DEADLINE)


@pytest.mark.slow
def test_a_node_whose_engine_fails_for_good_ends_to_be_started_again(
        probe: Probe, tmp_path: Path, manager: Manager) -> None:
    write_fragile_bundle(tmp_path / 'models')
    with start(probe, tmp_path) as node, node.camera('front', qos=DEEP) as camera:
        manager.wait_for('READY=1')
        camera.connected()
        end = streaming(camera, BRIGHT)
        try:
            assert node.process.wait(DEADLINE) == 1
        finally:
            end()
        assert 'also after it was started again' in node.log()


def test_a_node_that_cannot_configure_ends_with_a_status_and_was_never_ready(
        probe: Probe, tmp_path: Path, manager: Manager) -> None:
    (tmp_path / 'models').mkdir()
    with start(probe, tmp_path) as node:
        assert node.process.wait(DEADLINE) == 1
        assert 'READY=1' not in manager.texts()
        assert 'configure failed: no bundle in' in node.log()


def test_a_node_for_a_lifecycle_manager_is_ready_once_it_can_be_configured(
        probe: Probe, tmp_path: Path, manager: Manager, models: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node:
        manager.wait_for('READY=1')
        assert node.state() == 'unconfigured'
        assert manager.is_fed()


counts = st.integers(0, 3)


@given(st.lists(st.tuples(counts, counts, counts), max_size=30))
def test_images_wait_in_vain_exactly_as_long_as_some_come_and_none_is_settled(
        steps: list[tuple[int, int, int]]) -> None:
    stall, settled, unsettled, since = Stall(), 0, 0, None
    for now, (more, worse, in_flight) in enumerate(steps):
        settled, unsettled = settled + more, unsettled + worse
        if more or not (worse or in_flight):
            since = None
        elif since is None:
            since = now
        expected = 0.0 if since is None else now - since
        assert stall.note(Progress(settled, unsettled, in_flight), now) == expected
