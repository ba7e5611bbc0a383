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
"""Frames of images, folders of images, videos and ROS bags, all in the same form."""

from __future__ import annotations

import math
from abc import ABC
from abc import abstractmethod
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.media.bag_storage import is_bag
from frm_perception.media.files import MediaError
from frm_perception.media.message_images import raw_image
from frm_perception.runtime.pixels import to_rgb

if TYPE_CHECKING:
    from frm_perception.media.bag_reader import RecordedMessage

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')
VIDEO_SUFFIXES = ('.mp4', '.webm', '.mkv', '.avi', '.mov', '.m4v', '.mpg', '.mpeg', '.ts', '.wmv')

DEFAULT_RATE = 10.0
"""Frames a second of what has no clock of its own, such as a folder of images."""

# A container's count of frames is an estimate; it may be wrong by this much of the whole.
_COUNT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Frame:
    """
    One image and when it was taken.

    :param image: (H, W, 3) uint8 RGB.
    :param labels: (H, W) uint8 class ids where they are known.
    :param stamp_ns: nanoseconds; a video begins at 0, a bag has its clock.
    :param name: file, or file and frame number, for messages.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    stamp_ns: int
    name: str


class FrameSource(ABC):
    """
    Frames one after the other; iterating again starts from the beginning.

    :param rate: frames a second.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    @abstractmethod
    def __len__(self) -> int:
        """Return how many frames there are, as far as the container knows."""

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """
        Iterate over the frames.

        :raises MediaError: a frame cannot be read; those before it were given.
        """


def read_frames(source: Path, topic: str = '') -> FrameSource:
    """
    Open an image, a folder of images, a video, or a ROS bag (ROS 1 and 2, SQLite and MCAP).

    :param topic: image topic of a bag; '' takes the first one that can be read.
    :raises MediaError: it does not exist or is none of these.
    """
    if not source.exists():
        raise MediaError(f'{source} does not exist')
    if is_bag(source):
        return BagFrames(source, topic)
    if topic:
        raise MediaError(f'{source} is not a ROS bag, so it has no topic {topic!r}')
    if source.is_dir():
        return ImageFrames(list_images(source))
    if is_video(source):
        return VideoFrames(source)
    return ImageFrames([source])


def spread(frames: FrameSource, most: int) -> Iterator[Frame]:
    """
    Yield at most that many frames, evenly spread over all of them.

    :raises MediaError: a frame cannot be read, be it one that is left out.
    """
    step = max(len(frames) / most, 1.0)
    given = 0
    for index, frame in enumerate(frames):
        if given < most and index >= given * step:
            yield frame
            given += 1


def at_rate(frames: Iterable[Frame], rate: float) -> Iterator[Frame]:
    """Yield the frames that a camera of that rate would have taken, by their stamps."""
    period = 1e9 / rate
    due = -np.inf
    for frame in frames:
        # A recording's stamps jitter: a tenth of the camera's period early is still in time.
        if frame.stamp_ns < due - 0.1 * period:
            continue
        yield frame
        late = frame.stamp_ns - due
        due = due + period if late < period else frame.stamp_ns + period


def is_video(source: Path) -> bool:
    """Tell by its name whether a file is a video."""
    return source.suffix.lower() in VIDEO_SUFFIXES


def list_images(folder: Path) -> list[Path]:
    """
    Return the images of a folder, by name, without those of its sub-folders.

    :raises MediaError: there are none.
    """
    images = sorted(file for file in folder.iterdir()
                    if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith('.'))
    if not images:
        raise MediaError(f'{folder} holds no images ({", ".join(IMAGE_SUFFIXES)}) '
                         f'and is no ROS 2 bag (metadata.yaml)')
    return images


def read_image(file: Path) -> NDArray[np.uint8]:
    """
    Read an image file as (H, W, 3) uint8 RGB.

    Grey becomes RGB, transparency is dropped, 16 bits become 8, and the orientation that the
    camera noted (EXIF) is applied.

    :raises MediaError: the file cannot be read, or is no (whole) image.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise MediaError(f'cannot read {file}: {error.strerror}') from error
    return decode_image(data, str(file))


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """
    Decode an image of any format that OpenCV knows; see :func:`read_image`.

    :param name: for the message.
    :raises MediaError: the data are no (whole) image.
    """
    problem = 'not an image, or damaged'
    image = None
    try:
        if data:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        problem = f'damaged, or too large for OpenCV ({error.err})'
    if image is None:
        raise MediaError(f'cannot read {name}: {problem}')
    return to_rgb(np.asarray(image, np.uint8), 'bgr8')


class ImageFrames(FrameSource):
    """Image files as frames at :data:`DEFAULT_RATE`."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__(DEFAULT_RATE)
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self._files):
            yield Frame(read_image(file), None, round(index * 1e9 / self.rate), str(file))


class VideoFrames(FrameSource):
    """
    The frames of a video file.

    :raises MediaError: it is no video, or one that this OpenCV cannot decode. A video that ends
        before it should raises when its frames have been given.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        video = self._open()
        rate = video.get(cv2.CAP_PROP_FPS)
        self._count = max(round(video.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        video.release()
        super().__init__(rate if math.isfinite(rate) and rate > 0 else DEFAULT_RATE)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        video = self._open()
        index = 0
        try:
            while True:
                good, image = video.read()
                if not good:
                    break
                yield Frame(to_rgb(np.asarray(image, np.uint8), 'bgr8'), None,
                            round(index * 1e9 / self.rate), f'{self._file} frame {index}')
                index += 1
        finally:
            video.release()
        if index < self._count - max(2, self._count * _COUNT_TOLERANCE):
            raise MediaError(f'{self._file} is damaged: {index} of {self._count} frames can be '
                             f'read')

    def _open(self) -> cv2.VideoCapture:
        video = cv2.VideoCapture(str(self._file), cv2.CAP_FFMPEG)
        if not video.isOpened():
            raise MediaError(f'cannot read {self._file}: not a video, damaged, or in a format '
                             f'that OpenCV {cv2.__version__} cannot decode')
        return video


class BagFrames(FrameSource):
    """
    The images of one topic of a ROS bag.

    Reads ``sensor_msgs`` CompressedImage, and Image in the encodings of
    :func:`.message_images.raw_image`.

    :param topic: '' takes the first camera whose first message can be read; others may hold
        depth or the like.
    :raises MediaError: no bag, or no such image topic; the message lists those that are there.
        What cannot be read of a damaged bag raises when the rest has been given.
    """

    def __init__(self, bag: Path, topic: str = '') -> None:
        from frm_perception.media.bag_reader import IMAGE_TYPES
        from frm_perception.media.bag_reader import Recording
        self._recording = recording = Recording(bag)
        images = [item.name for item in recording.topics if item.type in IMAGE_TYPES]
        if not images or (topic and topic not in images):
            wanted = f'images on {topic!r}' if topic else 'any images'
            raise MediaError(f'{bag} does not have {wanted}; its topics are: '
                             f'{recording.list_topics()}')
        self.topic = topic or self._first_readable(
            [camera.topic for camera in recording.cameras] or images)
        self._count = recording.topic(self.topic).count
        seconds = recording.duration_ns / 1e9
        super().__init__((self._count - 1) / seconds if self._count > 1 and seconds > 0
                         else DEFAULT_RATE)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames(self.topic)
        if self._recording.damage:
            raise MediaError(self._damage())

    def _frames(self, topic: str) -> Iterator[Frame]:
        for message in self._recording.messages([topic]):
            name = f'{self._recording.path} {topic} message {message.index}'
            yield Frame(message_image(message, name), None, message.stamp_ns, name)

    def _first_readable(self, topics: list[str]) -> str:
        problems = []
        for topic in topics:
            try:
                if next(self._frames(topic), None) is not None:
                    return topic
                problems.append(self._damage() if self._recording.damage
                                else f'{self._recording.path} {topic} is empty')
            except MediaError as error:
                problems.append(str(error))
        raise MediaError('\n'.join(problems))

    def _damage(self) -> str:
        return (f'cannot read the bag {self._recording.path} as a whole; it is damaged: '
                f'{"; ".join(self._recording.damage)}')


def message_image(message: RecordedMessage, name: str) -> NDArray[np.uint8]:
    """
    Return the (H, W, 3) uint8 RGB picture of a recorded Image or CompressedImage.

    :param name: for the message of the error.
    :raises MediaError: its encoding is unknown, or it is damaged.
    """
    from frm_perception.media.bag_reader import COMPRESSED_IMAGE
    if message.type == COMPRESSED_IMAGE:
        return decode_image(message.fields.data.tobytes(), name)
    try:
        return raw_image(message.fields)
    except ValueError as error:
        raise MediaError(f'cannot read {name}: {error}') from error
