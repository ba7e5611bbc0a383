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
"""What the node holds on to, message by message."""

from __future__ import annotations

from pathlib import Path

from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from sensor_msgs.msg import Image

from frm_perception.runtime.resident_memory import resident_mib

MESSAGES = 2000
MOST_BYTES = 100
"""Of a message; an object that is left behind has about so many."""


def test_a_message_leaves_nothing_behind(probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models,
            overrides={'front/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front', qos=DEEP) as camera:
            camera.connected()
            held = []
            for received in (MESSAGES, 2 * MESSAGES, 3 * MESSAGES):
                for sent in range(received - MESSAGES, received):
                    camera.publisher.publish(Image())
                    if sent % 500 == 499:  # no more at once than the queues hold
                        diagnostics.status_where('front', received=str(sent + 1))
                held.append(resident_mib(node.process.pid))
            assert (held[2] - held[1]) * 2**20 / MESSAGES < MOST_BYTES
