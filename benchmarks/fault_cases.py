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
The faults: each starts a node, lets something happen, and returns what became of the images.

The model is a small one that is exact and fails on bright images.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from probe import Probe
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from simulated_clock import SimulatedClock
from simulated_clock import stamp_at
from std_msgs.msg import Header

from benchmarks.system import running
from benchmarks.system import settled_counts
from frm_perception.evaluation.memory import growth
from frm_perception.ros.session import MOST_FAILURES
from frm_perception.runtime.resident_memory import resident_mib

_CAMERA = 'front'
_TOPIC = f'{_CAMERA}/image_raw'
_DARK = np.full((40, 60, 3), 100, np.uint8)
_BRIGHT = np.full((40, 60, 3), 250, np.uint8)
_SOME = 20

Result = dict[str, Any]


class Stage:
    """
    Where faults happen.

    :param models: folder with the model of the nodes.
    :param cycles: how often a node is configured and cleaned up.
    """

    def __init__(self, probe: Probe, models: Path, cycles: int) -> None:
        self.probe = probe
        self.cycles = cycles
        self._models = models

    def node(self, **options: Any) -> AbstractContextManager[SegmenterProcess]:
        """Return a node of one camera that loses no image on its way."""
        return running(self.probe, cameras=[_CAMERA], model_dir=self._models, threads=1,
                       overrides={_TOPIC: RELIABLE}, **options)


class Book:
    """What was sent and heard, and what is to be reported."""

    def __init__(self, reported: str) -> None:
        self.sent = self.unseen = self.heard = self.away = 0
        self.reported = reported
        self.was_reported = False

    def call(self, camera: Camera) -> None:
        """
        Send images until one is answered.

        The node may not know yet who listens; what it answers meanwhile need not be heard.
        """
        def answered() -> bool:
            self.send(camera.publisher)
            self.away += 1
            time.sleep(0.2)
            return bool(camera.answers['drivable'])

        camera.connected()
        wait_until(answered, 'an answer')

    def ask(self, camera: Camera, times: int = 1) -> None:
        """Send an image so often, and wait for each answer."""
        for _ in range(times):
            self.send(camera.publisher)
            camera.answer(self.last)

    def send(self, publisher: Publisher, pixels: np.ndarray[Any, Any] = _DARK,
             encoding: str = 'rgb8', header: Header | None = None) -> None:
        """Send an image."""
        message = image_message(pixels, encoding, header=header)
        self.last: Header = message.header
        publisher.publish(message)
        self.sent += 1

    def hear(self, camera: Camera) -> None:
        """Count the answers that a camera's listener has."""
        self.heard += len(camera.answers['drivable'])

    def result(self, diagnostics: Diagnostics) -> Result:
        """Return all of it, with what the node counted."""
        counts = settled_counts(diagnostics, _CAMERA, self.sent - self.unseen)
        return {'sent': self.sent, 'unseen': self.unseen, 'heard': self.heard, 'away': self.away,
                'reported': self.reported, 'was_reported': self.was_reported, 'counts': counts}


def _activate(node: SegmenterProcess) -> None:
    assert node.change_state('configure') and node.change_state('activate'), node.log()


def camera_dies_and_returns(stage: Stage) -> Result:
    """Let a camera go for longer than a node bears in silence."""
    book = Book('the silence, and its end')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            book.ask(camera, times=_SOME)
            book.hear(camera)
        status = None
        while status is None or not status.message.startswith('no image for'):
            status, _ = diagnostics.next_status(_CAMERA)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            book.ask(camera, times=_SOME)
            book.hear(camera)
        result = book.result(diagnostics)
        returned, _ = diagnostics.next_status(_CAMERA)
    result['was_reported'] = (status.level == DiagnosticStatus.WARN
                              and not returned.message.startswith('no image'))
    return result


def size_and_encoding_change(stage: Stage) -> Result:
    """Change both from image to image."""
    book = Book('nothing: it is no fault of the camera')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            for height, width in ((40, 60), (97, 161), (1, 1), (64, 96)):
                dark = np.full((height, width, 3), 100, np.uint8)
                for encoding, pixels in (('rgb8', dark), ('mono8', dark[..., 0]), ('bgra8',
                                         cv2.cvtColor(dark, cv2.COLOR_RGB2BGRA))):
                    book.send(camera.publisher, pixels, encoding)
                    labels, _ = camera.answer(book.last)
                    assert labels.shape == (height, width), f'labels of {labels.shape}'
            book.hear(camera)
        result = book.result(diagnostics)
        _, values = diagnostics.next_status(_CAMERA)
    result['was_reported'] = not values['last_problem']
    return result


def clock_jumps_back(stage: Stage) -> Result:
    """Let the time of a simulation begin again, as it does where a recording does."""
    book = Book('the images of before as stale')
    with stage.node(use_sim_time=True, max_age=2.0) as node, \
            Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        clock = SimulatedClock(stage.probe, diagnostics)
        stale = 0
        with node.camera(_CAMERA, qos=DEEP) as camera:
            camera.connected()
            for now in (1000.0, 500.0, 990.0):
                clock.set(now)
                for age in (1.0, -400.0, 0.0):  # one was sent before the jump
                    book.send(camera.publisher, header=Header(stamp=stamp_at(now - age)))
                    camera.answer(book.last)
                book.send(camera.publisher, header=Header(stamp=stamp_at(now - 5.0)))
                stale += 1
                diagnostics.status_where(_CAMERA, stale=str(stale))
            book.hear(camera)
        clock.close()
        result = book.result(diagnostics)
    result['was_reported'] = result['counts']['stale'] == stale
    return result


def engine_raises(stage: Stage) -> Result:
    """Let the engine fail once, and then until the node starts it again."""
    book = Book('each failed image, and one restart')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            for failed in range(1, MOST_FAILURES + 1):
                book.send(camera.publisher, _BRIGHT)
                diagnostics.status_where(_CAMERA, failed=str(failed))
                if failed == 1:
                    book.ask(camera, times=3)
            book.send(camera.publisher, _BRIGHT)  # so many in succession that it is given up
            camera.disconnected()
            diagnostics.status_where('engine', state='active', restarts='1')
            book.call(camera)
            book.ask(camera, times=3)
            book.hear(camera)
        result = book.result(diagnostics)
    result['was_reported'] = result['counts']['failed'] == MOST_FAILURES + 1
    return result


def subscriber_comes_and_goes(stage: Stage) -> Result:
    """Let nobody listen, now and then."""
    book = Book('images that nobody wanted')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        publisher = stage.probe.node.create_publisher(
            Image, f'{node.namespace}/{_TOPIC}', DEEP)
        for _ in range(3):
            with node.camera(_CAMERA, qos=DEEP) as camera:
                book.call(camera)
                book.ask(camera, times=_SOME)
                book.hear(camera)
            for _ in range(_SOME):
                book.send(publisher)
                time.sleep(0.02)
            book.away += _SOME
        result = book.result(diagnostics)
        stage.probe.node.destroy_publisher(publisher)
    result['was_reported'] = result['counts']['unwanted'] > 0
    return result


_CHANGES = (
    ('output_size', 'network'), ('max_rate', [5.0]), ('weight', [2.0]), ('overlay_opacity', 0.9),
    ('drivable_min_area', 0.1), ('palette', ['road=#102030']), ('no_such_parameter', 1),
    ('resolution', '64x96'), ('output_size', 'camera'), ('max_rate', [0.0]),
    ('output_size', 'no such size'), ('drivable_min_area', 0.0), ('palette', ['']),
    ('resolution', 'auto'))


def parameters_change_under_load(stage: Stage) -> Result:
    """Change them while images come faster than they can be answered."""
    book = Book('what is refused, with the reason')
    refused = set()
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            for (name, value), _ in zip(cycle(_CHANGES), range(3 * len(_CHANGES))):
                for _ in range(_SOME):
                    book.send(camera.publisher)
                if node.set_parameter(name, value):
                    refused.add((name, value))
            result = book.result(diagnostics)
            book.ask(camera)
            book.hear(camera)
        result = book.result(diagnostics)
    result['was_reported'] = refused == {
        ('no_such_parameter', 1), ('output_size', 'no such size')}
    return result


def signal_during_configure(stage: Stage) -> Result:
    """End a node while it loads its model."""
    book = Book('an orderly end: exit status 0, no traceback')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        diagnostics.status_where('engine', state='unconfigured')
        node.request_state('configure')
        diagnostics.status_where('engine', state='configuring')
        status = node.end(signal.SIGTERM)
        book.was_reported = status == 0 and 'Traceback' not in node.log()
    with stage.node(namespace=node.namespace) as node, \
            Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            book.ask(camera, times=3)
            book.hear(camera)
        return book.result(diagnostics)


def kill_and_respawn(stage: Stage) -> Result:
    """Kill a node outright, send images to nobody, and start another one in its place."""
    book = Book('its end, to who respawns it')
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            book.ask(camera, times=_SOME)
            book.hear(camera)
        before = book.result(diagnostics)['counts']
        book.was_reported = node.end(signal.SIGKILL) == -signal.SIGKILL
    publisher = stage.probe.node.create_publisher(Image, f'{node.namespace}/{_TOPIC}', DEEP)
    for _ in range(_SOME):
        book.send(publisher)
    stage.probe.node.destroy_publisher(publisher)  # and with it what nobody has read
    book.unseen = _SOME
    with stage.node(namespace=node.namespace) as node, \
            Diagnostics(stage.probe, node) as diagnostics:
        _activate(node)
        after = Book(book.reported)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            after.call(camera)
            after.ask(camera, times=_SOME)
            after.hear(camera)
        result = after.result(diagnostics)
    counts = {name: before[name] + count for name, count in result['counts'].items()}
    return {**result, 'counts': counts, 'unseen': book.unseen, 'sent': book.sent + after.sent,
            'heard': book.heard + after.heard, 'away': book.away + after.away,
            'was_reported': book.was_reported}


def configure_and_cleanup(stage: Stage) -> Result:
    """Load and free everything again and again."""
    book = Book('every transition as done')
    done, memory = 0, []
    with stage.node() as node, Diagnostics(stage.probe, node) as diagnostics:
        for _ in range(stage.cycles):
            done += node.change_state('configure') and node.change_state('cleanup')
            memory.append(resident_mib(node.process.pid))
        book.was_reported = done == stage.cycles
        _activate(node)
        with node.camera(_CAMERA, qos=DEEP) as camera:
            book.call(camera)
            book.ask(camera, times=3)
            book.hear(camera)
        return {**book.result(diagnostics), 'growth_mib': growth(memory), 'memory_mib': memory}


CASES: dict[str, Callable[[Stage], Result]] = {
    'camera-dies': camera_dies_and_returns,
    'images-change': size_and_encoding_change,
    'clock-jumps-back': clock_jumps_back,
    'engine-raises': engine_raises,
    'subscriber-leaves': subscriber_comes_and_goes,
    'parameters-change': parameters_change_under_load,
    'sigterm-in-configure': signal_during_configure,
    'kill-and-respawn': kill_and_respawn,
    'configure-and-cleanup': configure_and_cleanup,
}
"""Every fault by its name."""
