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
"""Write files so that nobody ever sees half of one."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


class MediaError(ValueError):
    """An image, video or bag cannot be read or written; the message names it."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Give a hidden name beside ``path`` to write to; it becomes ``path`` at the end of the block.

    An exception (Ctrl-C too) removes what was written and leaves an older ``path`` as it was.
    The suffix is kept: writers choose their format by it. A block that writes nothing is fine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.stem}.{os.getpid()}.partial{path.suffix}')
    try:
        yield partial
        if partial.exists():
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """
    Give a name for a new folder; it becomes ``path`` at the end of the block.

    The folder has its final name from the beginning, and lies in a hidden one beside ``path``.
    An exception (Ctrl-C too) removes what was written and leaves an older ``path`` as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        hidden.mkdir()
        yield hidden / path.name
        old = hidden / '.old'
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(hidden / path.name, path)
        except BaseException:
            if old.exists():
                os.replace(old, path)
            raise
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """
    Write an image in the format of the path's suffix.

    :param image: (H, W, 3) uint8 RGB, or (H, W) uint8, which a PNG keeps exactly.
    :raises MediaError: OpenCV cannot encode it.
    """
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(path.suffix, pixels)
    if not done:
        raise MediaError(f'cannot encode {path}')
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())


def write_json(path: Path, content: object) -> None:
    """
    Write JSON that people can read as well.

    :param content: numbers that are not finite become null: JSON has no word for them.
    """
    text = json.dumps(_finite(content), indent=2, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(text + '\n', encoding='utf-8')


def _finite(content: object) -> object:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
