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
"""Class ids in PNGs, as they were written: palettes and few bits a pixel are kept apart."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_GREY, _PALETTE = 0, 3
_COLOUR_TYPES = {_GREY: 'grey', 2: 'RGB', _PALETTE: 'palette', 4: 'grey with alpha', 6: 'RGBA'}


class LabelFileError(ValueError):
    """
    A label file without class ids; the message says why, without its name.

    :param kind: what problems are counted by.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def decode_ids(data: bytes) -> NDArray[np.uint8]:
    """
    Return the (H, W) uint8 class ids of a PNG.

    They are the values of its pixels before anything is made of them: of a palette the positions
    in it, whatever their colours; of 1, 2 or 4 bits of grey 0 to 1, 3 or 15.

    :param data: the file's bytes: grey or palette of up to 8 bits.
    :raises LabelFileError: not a whole PNG, or one of colours, transparency or 16 bits.
    """
    chunks = _chunks(data)
    header = chunks[0][1] if chunks and chunks[0][0] == b'IHDR' else b''
    if len(header) != 13:
        raise LabelFileError('unreadable', 'not a readable image, which for labels is a PNG')
    width, height, bits, colour, *methods = struct.unpack('>IIBBBBB', header)
    if colour not in (_GREY, _PALETTE) or bits > 8:
        raise LabelFileError(
            'not 8-bit ids', 'class ids of up to 8 bits are needed, as grey or palette, not '
            f'{bits}-bit {_COLOUR_TYPES.get(colour, "pixels of an unknown kind")}')
    # Libraries turn a palette into colours. The same pixels declared as grey are the positions.
    grey = struct.pack('>IIBBBBB', width, height, bits, _GREY, *methods)
    kept = [(b'IHDR', grey), *((kind, body) for kind, body in chunks if kind == b'IDAT'),
            (b'IEND', b'')]
    picture = _SIGNATURE + b''.join(map(_chunk, *zip(*kept)))
    try:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise LabelFileError('unreadable', 'not a readable image')
    # They also spread fewer bits over 0..255.
    ids: NDArray[np.uint8] = pixels.astype(np.uint8) // (255 // (2 ** bits - 1))
    return ids


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return kind and content of every chunk up to the end of a PNG; nothing where it is no PNG.

    :raises LabelFileError: it ends too early, or a content is not what it was written as.
    """
    found: list[tuple[bytes, bytes]] = []
    if not data.startswith(_SIGNATURE):
        return found
    start = len(_SIGNATURE)
    while not found or found[-1][0] != b'IEND':
        body = start + 8
        end = body + int.from_bytes(data[start:start + 4], 'big')
        kind, content, check = data[start + 4:body], data[body:end], data[end:end + 4]
        if zlib.crc32(kind + content).to_bytes(4, 'big') != check:
            raise LabelFileError('unreadable', 'not a readable image: cut off or damaged')
        found.append((kind, content))
        start = end + 4
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (len(content).to_bytes(4, 'big') + kind + content
            + zlib.crc32(kind + content).to_bytes(4, 'big'))
