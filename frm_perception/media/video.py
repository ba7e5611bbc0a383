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
Write a video that browsers and players open.

WebM with VP8: of what the OpenCV wheels can encode (they have no H.264) it is the one that plays
in Firefox, Chrome, Safari and VLC alike. MPEG-4 Part 2 (``mp4v``) plays in no browser, and VP9
takes five times as long.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.media.files import MediaError
from frm_perception.media.files import replacing

SUFFIX = '.webm'

_LEAST_RATE, _MOST_RATE = 1.0, 1000.0
"""Frames a second: OpenCV damages slower files, and WebM counts in whole milliseconds."""


class VideoWriter:
    """
    Write RGB frames to a ``.webm`` file; use it in a ``with`` statement.

    A video has one size: frames of another are scaled to that of the first. The file appears
    under its name only when the block ends well and the video can be read back.

    :param path: must end in ``.webm``; an existing file is replaced.
    :param rate: frames a second; what is slower than 1 is played at 1, what is faster than 1000
        at 1000.
    :raises ValueError: another suffix, or a rate that is not positive.
    """

    def __init__(self, path: Path, rate: float) -> None:
        if path.suffix != SUFFIX:
            raise ValueError(f'{path}: videos are written as {SUFFIX}')
        if not rate > 0:
            raise ValueError(f'{path}: {rate} frames a second make no video')
        self._path = path
        self._rate = min(max(rate, _LEAST_RATE), _MOST_RATE)
        self._size: tuple[int, int] | None = None
        self._frames = 0
        self._writer: cv2.VideoWriter | None = None
        self._cleanup = ExitStack()

    def __enter__(self) -> VideoWriter:
        self._partial = self._cleanup.enter_context(replacing(self._path))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        # The exit stack decides by what is raised within: the read-back check belongs there.
        with self._cleanup:
            if self._writer is not None:
                self._writer.release()
                self._writer = None
            if error is not None:
                raise error
            self._check()

    def write(self, image: NDArray[np.uint8]) -> None:
        """
        Append a frame.

        :param image: (H, W, 3) uint8 RGB.
        :raises MediaError: this OpenCV cannot write the format.
        """
        if self._size is None:
            self._size = (image.shape[0], image.shape[1])
            self._writer = self._open(self._size)
        assert self._writer is not None
        scaled = (image if image.shape[:2] == self._size else
                  cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_AREA))
        height, width = _coded(self._size)
        whole = cv2.copyMakeBorder(scaled, 0, height - self._size[0], 0, width - self._size[1],
                                   cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(whole, cv2.COLOR_RGB2BGR))
        self._frames += 1

    def _open(self, size: tuple[int, int]) -> cv2.VideoWriter:
        height, width = _coded(size)
        with _muted():
            writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG,
                                     cv2.VideoWriter.fourcc(*'VP80'), self._rate, (width, height))
        if not writer.isOpened():
            raise MediaError(f'cannot write {self._path}: OpenCV {cv2.__version__} on this '
                             f'machine cannot encode VP8 (or the folder cannot be written to)')
        return writer

    def _check(self) -> None:
        """Raise unless the file holds as many frames as were written: a full disk is silent."""
        if not self._frames:
            return
        video = cv2.VideoCapture(str(self._partial), cv2.CAP_FFMPEG)
        # Counted one by one: the number that the container gives is an estimate.
        frames = 0
        while video.grab():
            frames += 1
        video.release()
        if frames != self._frames:
            raise MediaError(f'{self._path}: {self._frames} frames were written, but only '
                             f'{frames} can be read back; is the disk full?')


def _coded(size: tuple[int, int]) -> tuple[int, int]:
    """
    Return the size in which frames are stored.

    VP8 keeps colour for 2x2 pixels (OpenCV would drop an odd row or column), and players fail on
    less than one of its blocks of 16x16.
    """
    height, width = (max(side + side % 2, 16) for side in size)
    return height, width


@contextmanager
def _muted() -> Iterator[None]:
    """
    Silence the standard error stream of the whole process.

    FFmpeg's WebM has no four-character codes, so OpenCV prints that 'VP80' is not supported, and
    then goes on to use it.
    """
    saved = os.dup(2)
    with open(os.devnull, 'wb') as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
