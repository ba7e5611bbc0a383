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
"""The node's fits and rules of the drivable area, per camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from tiny_bundle import TINY

CLASS = {name: index for index, name in enumerate(TINY.classes)}
COLOR = dict(zip(TINY.classes, TINY.palette))


def test_a_camera_has_a_crop_and_a_filter_of_its_own(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=['front', 'rear'], model_dir=models,
            resolution='64x160', fit='crop', drivable_foot=0.1, drivable_appear_frames=2,
            drivable_max_gap=3600.0) as node:
        assert node.change_state('configure') and node.change_state('activate')
        road = np.full((96, 160, 3), COLOR['road'], np.uint8)
        road[60:64] = COLOR['car']
        near = np.zeros((96, 160), np.bool_)
        near[66:] = True
        for name in ('front', 'rear'):
            with node.camera(name) as camera:
                camera.answering()
                camera.ask(image_message(np.zeros_like(road), 'rgb8'))
                _, first = camera.ask(image_message(road, 'rgb8'))
                labels, second = camera.ask(image_message(road, 'rgb8'))
            assert (labels[:32] == 255).all() and (labels[34:56] == CLASS['road']).all()
            assert not first.any()
            assert not second[:64].any() and (second[near] == 255).all()
        log = node.log()
    assert 'images are fitted by crop, labels computed by numba' in log
