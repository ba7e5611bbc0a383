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
"""The work on a frame, on the worker's thread: from a message to everything published of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from frm_perception.labels import LabelSpace
from frm_perception.media.overlay import draw_overlay
from frm_perception.ros.camera_info import CameraInfoMismatch
from frm_perception.ros.camera_info import camera_info_for
from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.camera_topics import Message
from frm_perception.ros.compressed_images import png_message
from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.image_messages import mono8_message
from frm_perception.ros.image_messages import read_image
from frm_perception.ros.image_messages import rgb8_message
from frm_perception.ros.log_throttle import LogThrottle
from frm_perception.ros.records import CameraRecord
from frm_perception.ros.worker import Answered
from frm_perception.ros.worker import StaleFrame
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.geometry import View
from frm_perception.runtime.pictures import PictureError
from frm_perception.runtime.pictures import decode_picture
from frm_perception.runtime.pictures import read_header
from frm_perception.runtime.pixels import to_rgb
from frm_perception.runtime.segmenter import Request
from frm_perception.runtime.segmenter import Segmentation
from frm_perception.runtime.segmenter import Segmenter


class Frame(NamedTuple):
    """
    A message that waits for its turn.

    :param arrival: steady time at which it came, in seconds.
    """

    message: Message
    arrival: float


class Picture(NamedTuple):
    """
    The pixels of a message.

    :param pixels: (H,W,3), (H,W,4) or (H,W) uint8.
    :param encoding: one of :data:`frm_perception.runtime.pixels.CHANNELS`.
    :param reduction: the camera image has so many times the rows and columns.
    """

    pixels: NDArray[np.uint8]
    encoding: str
    reduction: int = 1


class Work(NamedTuple):
    """
    A frame between its reading and its answer.

    :param wanted: the outputs that somebody listens to.
    :param times: milliseconds of what was done so far, by name.
    """

    camera: str
    message: Message
    wanted: frozenset[str]
    picture: Picture
    times: dict[str, float]
    request: Request


@dataclass(frozen=True)
class Settings:
    """
    What may change between two frames.

    :param output_size: one of :data:`frm_perception.runtime.segmenter.OUTPUT_SIZES`.
    :param max_age: seconds after which a frame is refused; 0 refuses none.
    :param rules: what it takes for a pixel to be drivable.
    :param space: the classes, in the colours of the overlay.
    :param opacity: of the overlay, 0..1.
    """

    output_size: str
    max_age: float
    rules: DrivableRules
    space: LabelSpace
    opacity: float


class Answerer:
    """
    Answers frames, for as long as the node is active.

    :param node: lends its clock and logger.
    :param segmenter: does the work; between two frames another one may be put in its place.
    :param settings: hold for a whole frame; another thread may put others in their place.
    :param topics: where each camera's answers go.
    :param records: where each camera's times are noted.
    :param throttle: keeps the log from repeating itself.
    :param note_time: told of every answered frame how many milliseconds it took from its turn.
    """

    def __init__(
            self, node: Node, segmenter: Segmenter, settings: Settings,
            topics: Mapping[str, CameraTopics], records: Mapping[str, CameraRecord],
            throttle: LogThrottle, note_time: Callable[[float], None]) -> None:
        self._node = node
        self.segmenter = segmenter
        self.settings = settings
        self._topics = topics
        self._records = records
        self._throttle = throttle
        self._note_time = note_time
        self._filters = {camera: DrivableFilter(settings.rules) for camera in topics}

    def answer(self, frames: Sequence[tuple[str, Frame]], answered: Answered) -> None:
        """
        Publish everything about frames that somebody listens to; label and drivable always.

        The frames, of different cameras, are one batch. What is wrong with one of them does not
        touch the others. It may be :class:`StaleFrame` (its stamp is older than `max_age` on the
        node's clock), :class:`MalformedImage` (the message holds no image that can be read) or
        :class:`~frm_perception.runtime.engines.EngineError` (the network failed).

        Latency is that of label and drivable: what is drawn for people comes after them.

        :param answered: told of every frame.
        """
        settings, works = self.settings, []
        for camera, frame in frames:
            try:
                works.append(self._begin(camera, frame, settings))
            except Exception as error:
                answered(camera, error)
        if works:
            self._compute(works, settings, answered)

    def _begin(self, camera: str, frame: Frame, settings: Settings) -> Work:
        begin = perf_counter()
        times = {'wait': (time.monotonic() - frame.arrival) * 1e3}
        drivable = self._filters[camera]
        drivable.rules = settings.rules
        self._refuse_stale(frame.message, settings.max_age)
        wanted = self._topics[camera].wanted()
        picture = self._read(frame.message)
        times['decode'] = (perf_counter() - begin) * 1e3
        return Work(camera, frame.message, wanted, picture, times, Request(
            picture.pixels, picture.encoding, settings.output_size, 'confidence' in wanted,
            drivable, _stamp_ns(frame.message), picture.reduction))

    def _compute(self, works: Sequence[Work], settings: Settings, answered: Answered) -> None:
        """Run the network once for all, or, where that fails, once for each."""
        try:
            inferred = self.segmenter.infer([work.request for work in works])
        except Exception as error:
            if len(works) == 1:
                answered(works[0].camera, error)
                return
            for work in works:
                self._compute([work], settings, answered)
            return
        for work, result in zip(works, inferred, strict=True):
            try:
                self._publish(work, self.segmenter.finish(result), settings)
                self._records[work.camera].batched += len(works) > 1
            except Exception as error:
                answered(work.camera, error)
            else:
                answered(work.camera, None)

    def _publish(self, work: Work, answer: Segmentation, settings: Settings) -> None:
        begin = perf_counter()
        topics, record = self._topics[work.camera], self._records[work.camera]
        header: Header = work.message.header
        topics.publish('label', mono8_message(header, answer.labels))
        topics.publish('drivable', mono8_message(header, answer.drivable))
        if answer.confidence is not None:
            topics.publish('confidence', mono8_message(header, answer.confidence))
        self._publish_camera_info(work.camera, header, answer)
        times = {**work.times, **answer.timings, 'publish': (perf_counter() - begin) * 1e3}
        record.add_times({**times, 'latency': age_ms(self._node, work.message)})
        self._note_time(sum(times.values()) - times['wait'])
        record.note_labels(answer.labels[_seen(answer).slices], settings.space)
        self._publish_extras(work, answer, settings)

    def _publish_extras(self, work: Work, answer: Segmentation, settings: Settings) -> None:
        """Publish what is drawn or packed for people and recorders, where they listen."""
        topics, begin = self._topics[work.camera], perf_counter()
        header, wanted = work.message.header, work.wanted
        if 'label/compressed' in wanted:
            topics.publish('label/compressed', png_message(header, answer.labels))
        if 'overlay' in wanted:
            topics.publish('overlay', rgb8_message(
                header, overlay(work.picture, answer, settings.space, settings.opacity)))
        if not wanted.isdisjoint(('label/compressed', 'overlay')):
            self._records[work.camera].add_times({'extras': (perf_counter() - begin) * 1e3})

    def _refuse_stale(self, message: Message, limit: float) -> None:
        """
        Refuse a frame that is too old, of which a stamp in the future is no sign.

        Frames in flight have one when a recording begins again, and the clock with it.
        """
        age = age_ms(self._node, message) / 1e3
        if 0 < limit < age:
            raise StaleFrame(
                f'its stamp is {age:.2f} s old on the clock of the node, and max_age is {limit} s')

    def _read(self, message: Message) -> Picture:
        if isinstance(message, Image):
            return Picture(*read_image(message))
        data = memoryview(message.data)
        try:
            reduction = self.segmenter.reduction(read_header(data))
            return Picture(decode_picture(data, reduction), 'bgr8', reduction)
        except PictureError as error:
            raise MalformedImage(str(error)) from error

    def _publish_camera_info(self, camera: str, header: Header, answer: Segmentation) -> None:
        """Publish what the camera is to the label image, where that is known."""
        topics, record = self._topics[camera], self._records[camera]
        info = topics.camera_info
        if info is None:
            return
        try:
            scaled = camera_info_for(
                info, header, answer.geometry.image, answer.shows,
                (answer.labels.shape[0], answer.labels.shape[1]))
        except CameraInfoMismatch as error:
            record.unfit_infos += 1
            if self._throttle.allows(camera, 'camera_info'):
                self._node.get_logger().warning(
                    f'the camera info on {topics.info_input} is not used: {error} '
                    f'({record.unfit_infos} images so far)')
        else:
            topics.publish('camera_info', scaled)


def age_ms(node: Node, message: Message) -> float:
    """Return the milliseconds from the message's stamp to now on the node's clock."""
    now: int = node.get_clock().now().nanoseconds
    return (now - _stamp_ns(message)) / 1e6


def _seen(answer: Segmentation) -> View:
    """Return the part of the labels that the network saw: all, but for a crop's outside."""
    size = answer.labels.shape[0], answer.labels.shape[1]
    return answer.geometry.view if size == answer.geometry.image else View.whole(size)


def overlay(picture: Picture, answer: Segmentation, space: LabelSpace, opacity: float
            ) -> NDArray[np.uint8]:
    """Return (H,W,3) uint8 RGB of the labels' size: the image under its labels."""
    seen = picture.pixels[View(*(side // picture.reduction for side in answer.shows)).slices]
    image = to_rgb(seen, picture.encoding)
    height, width = answer.labels.shape
    if image.shape[:2] != (height, width):
        how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
    return draw_overlay(image, answer.labels, space, answer.drivable, opacity)


def _stamp_ns(message: Message) -> int:
    """Return when the image was taken; unlike ``Time.from_msg`` this takes stamps before 1970."""
    stamp = message.header.stamp
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)
