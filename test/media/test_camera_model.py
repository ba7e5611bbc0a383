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
"""Calibrations are read as camera_calibration writes them; others are refused by what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from frm_perception.media.camera_model import CameraModel
from frm_perception.media.camera_model import read_calibration

CALIBRATION = """image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.7, 0., 305.6, 0., 437.3, 243.7, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.36, 0.11, 0.0013, -0.0003, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.6, 0., 322.8, 0., 0., 393.6, 241.1, 0., 0., 0., 1., 0.]
"""


def test_a_calibration_is_read(tmp_path: Path) -> None:
    (tmp_path / 'a.yaml').write_text(CALIBRATION)
    model = read_calibration(tmp_path / 'a.yaml')
    assert (model.height, model.width, model.distortion) == (480, 640, 'plumb_bob')
    assert model.d == (-0.36, 0.11, 0.0013, -0.0003, 0.0)
    assert model.k[:3] == (438.7, 0.0, 305.6) and model.p[6] == 241.1 and model.r[8] == 1.0


@pytest.mark.parametrize(('key', 'value', 'complaint'), [
    ('image_width', None, "'image_width' is missing"),
    ('image_height', 'tall', "'image_height' must hold whole numbers from 1"),
    ('distortion_model', 'magic', "'distortion_model' is 'magic'; this version knows plumb_bob, "),
    ('distortion_coefficients', {'data': [1, 2]},
     "'distortion_coefficients.data' must be a list of 4 or 5 numbers"),
    ('camera_matrix', {'data': [1.0] * 8}, "'camera_matrix.data' must be a list of 9 numbers"),
    ('camera_matrix', {'data': ['a'] * 9}, "'camera_matrix.data' must be a list of 9 numbers"),
    ('camera_matrix', {'data': [float('nan')] * 9}, 'must be a list of 9 numbers'),
    ('projection_matrix', 3, "'projection_matrix' must be a mapping"),
])
def test_a_wrong_calibration_is_refused_by_what_is_wrong(
        tmp_path: Path, key: str, value: Any, complaint: str) -> None:
    content = yaml.safe_load(CALIBRATION)
    content[key] = value
    if value is None:
        del content[key]
    (tmp_path / 'a.yaml').write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=f'a.yaml: .*{complaint}'):
        read_calibration(tmp_path / 'a.yaml')


def test_a_field_of_view_reaches_from_border_to_border() -> None:
    model = CameraModel.of_view(480, 640, 90)
    focal, middle = model.k[0], model.k[2]
    # The borders are half a pixel beyond the centres of the outermost pixels.
    angles = np.degrees(np.arctan((np.array([-0.5, 639.5]) - middle) / focal))
    assert np.allclose(angles, [-45, 45])
    assert model.k[4] == focal and model.k[5] == 239.5
