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
"""A camera that nobody listens to costs no inference."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from listening import Listener
from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)


@pytest.mark.parametrize(('output', 'message_type'), [
    ('drivable', Image), ('overlay', Image), ('label/compressed', CompressedImage)])
def test_without_subscribers_nothing_is_computed_and_the_first_one_gets_the_next_frame(
        probe: Probe, models: Path, tmp_path: Path, output: str, message_type: type) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models,
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        publisher = probe.node.create_publisher(Image, f'{node.namespace}/front/image_raw', DEEP)
        try:
            wait_until(publisher.get_subscription_count, 'the node')
            for _ in range(20):
                publisher.publish(image_message(RED, 'rgb8'))
            status, values = diagnostics.status_where('front', unwanted='20')
            assert (values['received'], values['answered']) == ('20', '0')
            assert values['infer_p50_ms'] == ''
            assert status.level == DiagnosticStatus.OK
            assert 'nobody has subscribed' in status.message

            sent = 20

            def heard() -> list[object]:
                nonlocal sent
                publisher.publish(image_message(RED, 'rgb8'))
                sent += 1
                time.sleep(0.05)
                return listener.heard

            with Listener(probe, node, f'front/segmentation/{output}', message_type) as listener:
                wait_until(heard, 'the node to learn of the listener')
                message = image_message(RED, 'rgb8')
                publisher.publish(message)
                listener.of(message.header)
                _, values = diagnostics.status_where('front', received=str(sent + 1))
                assert int(values['answered']) == len(listener.heard) > 0
                assert int(values['unwanted']) + int(values['answered']) + int(
                    values['dropped']) == sent + 1

            before = int(values['unwanted'])

            def idle_again() -> bool:
                publisher.publish(image_message(RED, 'rgb8'))
                return int(diagnostics.next_status('front')[1]['unwanted']) > before

            wait_until(idle_again, 'the node to notice that the listener is gone')
        finally:
            probe.node.destroy_publisher(publisher)
