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
"""Ages on the node's clock, which may be simulated, stand still, or begin again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from simulated_clock import SimulatedClock
from simulated_clock import stamp_at
from std_msgs.msg import Header

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)


def image_of(seconds: float) -> object:
    return image_message(RED, 'rgb8', header=Header(stamp=stamp_at(seconds)))


@pytest.fixture
def clock(probe: Probe, models: Path, tmp_path: Path
          ) -> Iterator[tuple[SimulatedClock, Camera, Diagnostics, SegmenterProcess]]:
    """Yield a node on simulated time with max_age 2 s, its camera, and what it reports."""
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, use_sim_time=True, max_age=2.0,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        simulated = SimulatedClock(probe, diagnostics)
        try:
            with node.camera('camera', qos=DEEP) as camera:
                camera.connected()
                yield simulated, camera, diagnostics, node
        finally:
            simulated.close()


def test_an_old_frame_is_refused_counted_and_named_and_a_young_one_is_not(
        clock: tuple[SimulatedClock, Camera, Diagnostics, SegmenterProcess]) -> None:
    simulated, camera, diagnostics, node = clock
    simulated.set(1000.0)
    camera.ask(image_of(998.1))
    for count, age in enumerate((2.1, 500.0, 1000.0), start=1):
        camera.publisher.publish(image_of(1000.0 - age))
        status, values = diagnostics.status_where('camera', stale=str(count))
    assert status.level == DiagnosticStatus.WARN and 'too old' in status.message
    assert (values['received'], values['answered']) == ('4', '1')
    assert '1000.00 s old' in values['last_problem'] and 'max_age is 2.0 s' in values[
        'last_problem']
    assert node.log().count('stale image on') == 1
    camera.ask(image_of(1000.0))
    assert len(camera.answers['label']) == 2


def test_a_clock_that_jumps_back_does_not_stop_the_node(
        clock: tuple[SimulatedClock, Camera, Diagnostics, SegmenterProcess]) -> None:
    """As a recording that begins again: frames of both rounds are answered, late ones too."""
    simulated, camera, diagnostics, _ = clock
    for count, start in enumerate((1000.0, 500.0, 1000.5), start=1):
        simulated.set(start)
        camera.ask(image_of(start - 0.5))
        camera.ask(image_of(start + 600.0))  # sent before the jump
        camera.publisher.publish(image_of(start - 3.0))
        _, values = diagnostics.status_where('camera', stale=str(count))
    assert values['answered'] == '6'


def test_a_jump_back_does_not_mix_the_ages_of_two_times(
        clock: tuple[SimulatedClock, Camera, Diagnostics, SegmenterProcess]) -> None:
    simulated, camera, diagnostics, _ = clock
    simulated.set(1000.0)
    camera.ask(image_of(998.5))
    _, values = diagnostics.status_where('camera', answered='1')
    assert values['age_p50_ms'] == values['latency_p50_ms'] == '1500.0'
    simulated.set(500.0)
    _, values = diagnostics.next_status('camera')
    assert values['age_p50_ms'] == values['latency_p99_ms'] == ''
    assert float(values['infer_p50_ms']) > 0
    camera.ask(image_of(499.75))
    _, values = diagnostics.status_where('camera', answered='2')
    assert [values[f'latency_p{rank}_ms'] for rank in (50, 95, 99)] == ['250.0'] * 3
    status, _ = diagnostics.next_status('camera')
    assert status.level == DiagnosticStatus.OK
