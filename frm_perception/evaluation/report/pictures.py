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
"""The pictures of a report: within the file itself, and never more than a bounded size of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PICTURES_BYTES = 6 * 2**20
"""What all pictures of a report take at most, before base64 makes a third more of them."""

_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


class Pictures:
    """
    Makes data URIs of a run's pictures until the bound is reached.

    :param folder: of the run; pictures beyond it are not looked at, whatever report.json says.
    :param room: bytes that all pictures take at most.
    """

    def __init__(self, folder: Path, room: int = PICTURES_BYTES) -> None:
        self._folder = folder.resolve()
        self._room = room
        self.left_out = 0
        """How many there was no more room for."""

    def embed(self, file: Path, width: int) -> Picture | None:
        """
        Return a picture; None where it is missing or damaged, or there is no room.

        :param file: a JPEG or PNG in the folder.
        :param width: in pixels, to which wider pictures are shrunk.
        """
        pixels = self._read(file)
        if pixels is None:
            return None
        if pixels.shape[1] > width:
            height = max(round(pixels.shape[0] * width / pixels.shape[1]), 1)
            pixels = np.asarray(
                cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not done:
            return None
        if data.size > self._room:
            self.left_out += 1
            return None
        self._room -= data.size
        text = base64.b64encode(data.tobytes()).decode('ascii')
        return Picture(f'data:image/jpeg;base64,{text}', pixels.shape[1], pixels.shape[0])

    def _read(self, file: Path) -> NDArray[np.uint8] | None:
        path = file.resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return None
        data = np.frombuffer(path.read_bytes(), np.uint8)
        try:
            pixels: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)  # None of what is no picture
        except cv2.error:  # an empty file, or more pixels than OpenCV takes
            return None
        return pixels
