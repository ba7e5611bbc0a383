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
Messages that mean harm, each with what the node has to do about it.

Every kind is a function of a random generator, so that a seed tells all messages of a run.
"""

from __future__ import annotations

import array
import struct
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from node_process import image_message
from node_process import new_header
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

MALFORMED, EITHER, UNREADABLE, UNCOUNTED = 'malformed', 'either', 'unreadable', 'uncounted'
"""
What becomes of a message.

`malformed` is counted as such. `either` looks right from outside: it is answered, or dropped for
a newer one, or found to be malformed. `unreadable` bytes are no message, so the middleware keeps
them from the node. `uncounted` are camera infos, which are no images.
"""

_HEIGHT, _WIDTH = 24, 40
_PIXELS = np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8)
_LARGEST = 2**32 - 1
_TEXTS = ('', 'jpeg', 'RGB8', 'rgb8 ', 'rgb8\n' + 'x' * 10_000, '32FC3', 'nv12', '%s%n', '✓\u202e',
          '../../etc/passwd', "'; drop", '\x1b[2J', 'bgr8;jpeg')
_JPEG = cv2.imencode('.jpg', _PIXELS)[1].tobytes()
_PROGRESSIVE = cv2.imencode('.jpg', _PIXELS, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
_PNG = cv2.imencode('.png', _PIXELS)[1].tobytes()
_GIGAPIXELS = (30_000, 40_000)

Random = np.random.Generator
Message = Any


@dataclass(frozen=True)
class Kind:
    """
    One way of doing harm.

    :param topic: `image`, `compressed` or `camera_info`.
    :param fate: what has to become of it.
    :param make: returns a message, or bytes that are none.
    :param share: how often it comes, beside the others.
    """

    name: str
    topic: str
    fate: str
    make: Callable[[Random], Message]
    share: float = 1.0


def odd_header(random: Random) -> Header:
    """Return a header that is unusual but allowed: any stamp, any text."""
    text = str(random.choice(['', ' ', '/odd frame ✓', 'f' * 2000, '\x1b[2J', '%s', "'\"\\\n"]))
    return Header(
        stamp=Time(sec=int(random.integers(-2**31, 2**31)),
                   nanosec=int(random.integers(0, 2**32))),
        frame_id=f'{text}{random.integers(2**60)}')


def _changed(random: Random, **fields: object) -> Image:
    message = image_message(_PIXELS, 'rgb8', header=odd_header(random))
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def _truncated_image(random: Random) -> Image:
    length = int(random.integers(_PIXELS.size))
    return _changed(random, data=array.array('B', _PIXELS.tobytes()[:length]))


def _huge_image(random: Random) -> Image:
    sizes = (8193, 65_536, 100_000, 2**31, _LARGEST)
    height, width = (int(random.choice(sizes)) for _ in range(2))
    return _changed(random, height=height, width=width, step=min(3 * width, _LARGEST))


def _empty_image(random: Random) -> Image:
    side = str(random.choice(['height', 'width']))
    return _changed(random, **{side: 0})


def _wrong_step(random: Random) -> Image:
    step = int(random.choice([0, 1, 3 * _WIDTH - 1, 3 * _WIDTH + 1, 2**31, _LARGEST]))
    return _changed(random, step=step)


def _too_few_rows(random: Random) -> Image:
    return _changed(random, height=_HEIGHT + int(random.integers(1, 8000)))


def _wrong_encoding(random: Random) -> Image:
    return _changed(random, encoding=str(random.choice(_TEXTS)))


def _wrong_byte_order(random: Random) -> Image:
    return _changed(random, is_bigendian=int(random.integers(2, 256)))


def _odd_mosaic(random: Random) -> Image:
    """Return an image that only cv_bridge can tell to be right or wrong: any size, any depth."""
    encoding, pixel = (('bayer_rggb8', 1), ('bayer_gbrg16', 2), ('mono16', 2), ('rgba16', 8),
                       ('yuv422', 2), ('yuv422_yuy2', 2))[random.integers(6)]
    height, width = (int(random.integers(1, 40)) for _ in range(2))
    rows = random.integers(0, 256, (height, width * pixel), np.uint8)
    message = image_message(rows, encoding, header=new_header())
    message.width, message.is_bigendian = width, int(random.integers(2))
    return message


def _no_message(kind: type[Message]) -> Callable[[Random], bytes]:
    """Return a maker of bytes that are cut off, or that announce more than there is."""
    def make(random: Random) -> bytes:
        whole = serialize_message(kind(header=odd_header(random)))
        form = random.integers(3)
        if form == 0:
            return whole[:int(random.integers(12))]
        if form == 1:  # the length of frame_id, after encapsulation and stamp
            return whole[:12] + struct.pack('<I', int(random.integers(2**20, 2**32))) + whole[16:]
        return b'\0\1\0\0' + b'\xff' * int(random.integers(12, 400))
    return make


def _compressed(random: Random, data: bytes, form: str = '') -> CompressedImage:
    form = form or str(random.choice(['jpeg', 'png', 'rgb8; jpeg compressed bgr8', *_TEXTS]))
    return CompressedImage(header=odd_header(random), format=form, data=array.array('B', data))


def _truncated_picture(random: Random) -> CompressedImage:
    whole = (_JPEG, _PROGRESSIVE, _PNG)[random.integers(3)]
    return _compressed(random, whole[:int(random.integers(len(whole) - 12))])


def _no_picture(random: Random) -> CompressedImage:
    start = (b'', b'GIF89a', b'BM', b'II*\0', b'RIFF\0\0\0\0WEBP', b'<svg/>', b'text', b'\xff',
             b'\x00\x00\x00\x0cjP  ')[random.integers(9)]
    return _compressed(random, start + random.bytes(int(random.integers(200))))


def _undeveloped(random: Random) -> CompressedImage:
    return _compressed(random, _JPEG, 'bayer_rggb8; jpeg compressed')


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file, with its length and checksum."""
    checksum = zlib.crc32(name + content)
    return struct.pack('>I', len(content)) + name + content + struct.pack('>I', checksum)


def _png(height: int, width: int, packed: bytes, *more: bytes) -> bytes:
    """Return a PNG of one bit a pixel; `packed` are its rows as zlib packs them."""
    head = png_chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0))
    return b''.join([b'\x89PNG\r\n\x1a\n', head, *more, png_chunk(b'IDAT', packed),
                     png_chunk(b'IEND', b'')])


@cache
def _packed_gigapixels() -> bytes:
    """Return rows of 1.2 gigapixels, which are 150 MB, as zlib packs them: 150 kB."""
    height, width = _GIGAPIXELS
    row, packer = bytes(1 + width // 8), zlib.compressobj()
    return b''.join([*(packer.compress(row * 1000) for _ in range(height // 1000)),
                     packer.flush()])


def _bomb(random: Random) -> CompressedImage:
    return _compressed(random, _png(*_GIGAPIXELS, _packed_gigapixels()))


def _hidden_bomb(random: Random) -> CompressedImage:
    """Return a picture that says it is small and holds the rows of a large one."""
    return _compressed(random, _png(16, 16, _packed_gigapixels()))


def _text_bomb(random: Random) -> CompressedImage:
    """Return a small picture with a comment that unpacks to 150 MB."""
    comment = png_chunk(b'zTXt', b'c\0\0' + _packed_gigapixels())
    return _compressed(random, _png(16, 16, zlib.compress(bytes(3 * 16)), comment))


def _claims_frames(random: Random) -> CompressedImage:
    """Return a small picture that says it is the first of two billion."""
    claim = png_chunk(b'acTL', struct.pack('>II', 2**31 - 1, 0))
    return _compressed(random, _png(16, 16, zlib.compress(bytes(3 * 16)), claim))


def _huge_jpeg(random: Random) -> CompressedImage:
    at = _JPEG.index(b'\xff\xc0') + 5
    size = struct.pack('>HH', *(int(side) for side in random.integers(8193, 65536, 2)))
    return _compressed(random, _JPEG[:at] + size + _JPEG[at + 4:])


def _many_scans(random: Random) -> CompressedImage:
    """Return a JPEG that sends its last scan, a few bytes, again and again."""
    last = _PROGRESSIVE.rindex(b'\xff\xda')
    scans = int(random.integers(101, 300))
    return _compressed(random, _PROGRESSIVE[:-2] + _PROGRESSIVE[last:-2] * scans + b'\xff\xd9')


def _damaged_picture(random: Random) -> CompressedImage:
    """Return a picture with bytes of its inside changed; its size stays a small one."""
    data = bytearray((_JPEG, _PROGRESSIVE, _PNG)[random.integers(3)])
    begin = 40 if data[:1] == b'\x89' else max(
        data.find(b'\xff\xc0'), data.find(b'\xff\xc2')) + 9
    for position in random.integers(begin, len(data) - 16, int(random.integers(1, 20))):
        data[position] = int(random.integers(256))
    return _compressed(random, bytes(data), 'jpeg')


_NUMBERS = (float('nan'), float('inf'), -float('inf'), 0.0, -0.0, 1e308, -1e308, 5e-324, 1.0)


def _numbers(random: Random, count: int) -> list[float]:
    return [float(number) for number in random.choice(_NUMBERS, count)]


def _odd_matrices(random: Random) -> CameraInfo:
    """Return an info of images of the usual size, with no sense in its numbers."""
    height, width = (97, 161) if random.integers(2) else (_HEIGHT, _WIDTH)
    return CameraInfo(
        header=odd_header(random), height=height, width=width, k=_numbers(random, 9),
        r=_numbers(random, 9), p=_numbers(random, 12), d=_numbers(random, 5),
        distortion_model=str(random.choice(_TEXTS)))


def _odd_region(random: Random) -> CameraInfo:
    """Return an info whose region and binning cannot be."""
    values = [int(random.choice([0, 1, 7, 97, 161, 2**31, _LARGEST])) for _ in range(8)]
    height, width = (97, 161) if random.integers(2) else values[:2]
    return CameraInfo(
        header=odd_header(random), height=height, width=width, binning_x=values[2],
        binning_y=values[3], roi=RegionOfInterest(
            x_offset=values[4], y_offset=values[5], height=values[6], width=values[7]))


def _many_coefficients(random: Random) -> CameraInfo:
    return CameraInfo(header=odd_header(random), height=97, width=161,
                      d=_numbers(random, int(random.integers(1000))))


KINDS = (
    Kind('image cut off', 'image', MALFORMED, _truncated_image),
    Kind('image with huge sides', 'image', MALFORMED, _huge_image),
    Kind('image without pixels', 'image', MALFORMED, _empty_image),
    Kind('wrong step', 'image', MALFORMED, _wrong_step),
    Kind('more rows than data', 'image', MALFORMED, _too_few_rows),
    Kind('bad encoding', 'image', MALFORMED, _wrong_encoding),
    Kind('bad byte order', 'image', MALFORMED, _wrong_byte_order),
    Kind('odd mosaic or depth', 'image', EITHER, _odd_mosaic),
    Kind('no image message', 'image', UNREADABLE, _no_message(Image)),
    Kind('picture cut off', 'compressed', MALFORMED, _truncated_picture),
    Kind('no picture', 'compressed', MALFORMED, _no_picture),
    Kind('undeveloped mosaic', 'compressed', MALFORMED, _undeveloped),
    Kind('PNG of 1.2 gigapixels', 'compressed', MALFORMED, _bomb, 0.1),
    Kind('JPEG of gigapixels', 'compressed', MALFORMED, _huge_jpeg),
    Kind('JPEG of too many scans', 'compressed', MALFORMED, _many_scans),
    Kind('gigapixels in a small PNG', 'compressed', EITHER, _hidden_bomb, 0.02),
    Kind('150 MB of text in a small PNG', 'compressed', EITHER, _text_bomb, 0.1),
    Kind('PNG of two billion frames', 'compressed', EITHER, _claims_frames),
    Kind('damaged picture', 'compressed', EITHER, _damaged_picture),
    Kind('no compressed message', 'compressed', UNREADABLE, _no_message(CompressedImage)),
    Kind('camera info of odd numbers', 'camera_info', UNCOUNTED, _odd_matrices),
    Kind('camera info of odd regions', 'camera_info', UNCOUNTED, _odd_region),
    Kind('camera info of many numbers', 'camera_info', UNCOUNTED, _many_coefficients),
    Kind('no camera info message', 'camera_info', UNREADABLE, _no_message(CameraInfo)),
)
"""Every kind there is."""


def hostile_messages(random: Random, topic: str, readable: bool
                     ) -> Iterator[tuple[Kind, Message]]:
    """
    Yield messages of every kind for a camera, without end.

    :param topic: of its images, `image` or `compressed`.
    :param readable: whether its images are to be messages at least.
    """
    kinds = [kind for kind in KINDS if kind.topic == 'camera_info' or (
        kind.topic == topic and not (readable and kind.fate == UNREADABLE))]
    shares = np.array([kind.share for kind in kinds])
    while True:
        kind = kinds[random.choice(len(kinds), p=shares / shares.sum())]
        yield kind, kind.make(random)
