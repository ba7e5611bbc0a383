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
"""Raw or compressed images, by camera, as they are asked for or published."""

from __future__ import annotations

import array
from pathlib import Path

import cv2
import numpy as np
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import new_header
from sensor_msgs.msg import CompressedImage

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)
PNG = cv2.imencode('.png', RED[..., ::-1])[1].tobytes()


def png_message() -> CompressedImage:
    return CompressedImage(header=new_header(), format='png', data=array.array('B', PNG))


def test_auto_takes_what_is_published_and_raw_rather_than_compressed(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front'], model_dir=models,
            overrides={'front/image_raw/compressed': {'depth': 3}}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        _, values = diagnostics.status_where('front', transport='raw')
        with node.camera('front', compressed=True) as compressed:
            _, drivable = compressed.answering().ask(png_message())
            assert (drivable == 255).all()
            diagnostics.status_where(
                'front', transport='compressed',
                topic=f'{node.namespace}/front/image_raw/compressed')
            with node.camera('front') as raw:
                _, drivable = raw.answering().ask(image_message(RED, 'rgb8'))
                assert (drivable == 255).all()
                compressed.disconnected()
            compressed.answering().ask(png_message())
        diagnostics.status_where('front', transport='compressed')  # nobody publishes: no change
        log = node.log()
        assert log.count('taking images from') == 3
        assert 'is ignored' not in log and 'Traceback' not in log

        assert node.change_state('deactivate')
        with node.camera('front') as raw:
            raw.publisher.publish(image_message(RED, 'rgb8'))
            assert node.change_state('activate')
            raw.answering().ask(image_message(RED, 'rgb8'))


def test_each_camera_can_have_a_transport_of_its_own(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', cameras=['front', 'rear'], model_dir=models,
                          transport='raw, compressed') as node:
        assert node.change_state('configure') and node.change_state('activate')
        with node.camera('front') as front, node.camera('rear', compressed=True) as rear, \
                node.camera('front', compressed=True) as unread:
            front.answering().ask(image_message(RED, 'rgb8'))
            rear.answering().ask(png_message())
            assert unread.publisher.get_subscription_count() == 0
