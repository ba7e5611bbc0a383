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
"""What is written as class ids is read as class ids, however the PNG keeps them."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.media.label_png import LabelFileError
from frm_perception.media.label_png import decode_ids
from frm_perception.media.labelled_images import DataError
from frm_perception.media.labelled_images import LabelledImage

GREY, PALETTE = 0, 3


def png(ids, bits: int, colour: int, *, transparent: bool = False) -> bytes:
    """Write a PNG by its specification; all colours of a palette are the same red."""
    height, width = ids.shape
    rows = np.unpackbits(ids[..., None], axis=2)[..., 8 - bits:].reshape(height, -1)
    packed = np.packbits(rows, axis=1)
    lines = b''.join(b'\0' + row.tobytes() for row in packed)
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0))]
    if colour == PALETTE:
        chunks.append((b'PLTE', b'\xff\0\0' * 2 ** bits))
    if transparent:
        chunks.append((b'tRNS', b'\0\0' if colour == GREY else bytes(2 ** bits)))
    chunks += [(b'IDAT', zlib.compress(lines)), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        len(body).to_bytes(4, 'big') + kind + body + zlib.crc32(kind + body).to_bytes(4, 'big')
        for kind, body in chunks)


@given(st.data(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([GREY, PALETTE]), st.booleans())
def test_ids_of_any_depth_and_of_palettes_are_those_that_were_written(
        data, bits, colour, transparent):
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 19)))
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    ids = random.integers(0, 2 ** bits, (height, width), np.uint8)
    found = decode_ids(png(ids, bits, colour, transparent=transparent))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)


def test_ids_that_opencv_wrote_are_read_back():
    ids = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(decode_ids(cv2.imencode('.png', ids)[1].tobytes()), ids)


@pytest.mark.parametrize(('pixels', 'named'), [
    (np.zeros((4, 6), np.uint16), '16-bit grey'), (np.zeros((4, 6, 3), np.uint8), '8-bit RGB'),
    (np.zeros((4, 6, 4), np.uint8), '8-bit RGBA')])
def test_16_bits_and_colours_are_refused_by_what_they_are(pixels, named):
    with pytest.raises(LabelFileError, match=f'not {named}$') as error:
        decode_ids(cv2.imencode('.png', pixels)[1].tobytes())
    assert error.value.kind == 'not 8-bit ids'


def test_what_is_no_whole_png_is_refused():
    whole = png(np.zeros((40, 60), np.uint8), 8, GREY)
    damaged = bytearray(whole)
    damaged[-20] ^= 1
    jpeg = cv2.imencode('.jpg', np.zeros((40, 60), np.uint8))[1].tobytes()
    no_pixels = whole[:33] + whole[-12:]
    for data in (b'', whole[:7], whole[:20], whole[:-1], bytes(damaged), jpeg, no_pixels):
        with pytest.raises(LabelFileError, match='not a readable image') as error:
            decode_ids(data)
        assert error.value.kind == 'unreadable'


def test_a_labelled_image_reads_a_mask_of_one_bit_and_names_a_file_that_is_none(tmp_path: Path):
    mask = np.eye(5, 7, dtype=np.uint8)
    item = LabelledImage(tmp_path / 'image.png', tmp_path / 'labels.png')
    cv2.imwrite(str(item.image), np.zeros((5, 7, 3), np.uint8))
    item.labels.write_bytes(png(mask, 1, GREY))
    np.testing.assert_array_equal(item.read()[1], mask)
    item.labels.write_bytes(b'nothing')
    with pytest.raises(DataError, match=r'labels\.png: not a readable image'):
        item.read()
