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
"""Label images on disk until they are asked for: those of a drive do not fit into memory."""

from __future__ import annotations

import tempfile
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MOST_WAITING = 32
_FAST = 1


class Place(NamedTuple):
    """Where an image lies in the file, and its (height, width)."""

    offset: int
    size: int
    shape: tuple[int, int]


class Spool:
    """
    Context manager: a file without a name, which is gone when the process ends, however it does.

    Images are packed on a thread of their own; who puts in more than it can pack waits.

    :param folder: whose file system takes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._room = threading.Semaphore(_MOST_WAITING)

    def __enter__(self) -> Spool:
        self._file = tempfile.TemporaryFile(dir=self._folder)
        self._packer = ThreadPoolExecutor(1, thread_name_prefix='spool')
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._packer.shutdown(cancel_futures=True)
        self._file.close()

    def put(self, image: Callable[[], NDArray[np.uint8]]) -> Future[Place]:
        """
        Keep an image.

        :param image: returns it, (H, W) uint8; called on the thread that packs.
        :return: its place once it is there; or what went wrong.
        """
        self._room.acquire()
        kept = self._packer.submit(self._keep, image)
        kept.add_done_callback(lambda _: self._room.release())
        return kept

    def get(self, place: Place) -> NDArray[np.uint8]:
        """Return the image of a place, (H, W) uint8."""
        self._file.seek(place.offset)
        pixels = zlib.decompress(self._file.read(place.size))
        return np.frombuffer(pixels, np.uint8).reshape(place.shape)

    def _keep(self, image: Callable[[], NDArray[np.uint8]]) -> Place:
        pixels = image()
        data = zlib.compress(np.ascontiguousarray(pixels).data, _FAST)
        offset = self._file.seek(0, 2)
        self._file.write(data)
        return Place(offset, len(data), (pixels.shape[0], pixels.shape[1]))
