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
"""What `sensor_msgs/CameraInfo` says of a camera, without ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from frm_perception.runtime.manifest import read_section

_MODELS = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}
"""Distortion models of ROS -> how many coefficients they have."""


@dataclass(frozen=True)
class CameraModel:
    """
    Intrinsics of a camera, in pixels; 0 is the centre of the first pixel.

    :param distortion: one of ROS's distortion models, such as 'plumb_bob'.
    :param d: its coefficients.
    :param k: (3, 3) camera matrix, row by row.
    :param r: (3, 3) rectification.
    :param p: (3, 4) projection of rectified images.
    """

    height: int
    width: int
    distortion: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]

    @classmethod
    def pinhole(cls, height: int, width: int, focal: float) -> CameraModel:
        """
        Return a camera without distortion that looks at the middle of its image.

        :param focal: its focal length in pixels.
        """
        x, y = (width - 1) / 2, (height - 1) / 2
        return cls(
            height, width, 'plumb_bob', (0.0,) * 5, (focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0),
            (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
            (focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0))

    @classmethod
    def of_view(cls, height: int, width: int, degrees: float) -> CameraModel:
        """
        Return a camera without distortion by its horizontal field of view.

        :param degrees: between 0 and 180.
        """
        return cls.pinhole(height, width, width / 2 / math.tan(math.radians(degrees) / 2))


def read_calibration(file: Path) -> CameraModel:
    """
    Read a YAML file as camera_calibration writes it.

    :raises ValueError: it cannot be read, or a key is missing or wrong; the message names both.
    """
    content = read_section(file)
    model = content.text('distortion_model', *_MODELS)
    coefficients = (4, 5) if model == 'plumb_bob' else (_MODELS[model],)
    return CameraModel(
        content.integer('image_height', 1, 65535), content.integer('image_width', 1, 65535),
        model, content.section('distortion_coefficients').numbers('data', *coefficients),
        content.section('camera_matrix').numbers('data', 9),
        content.section('rectification_matrix').numbers('data', 9),
        content.section('projection_matrix').numbers('data', 12))
