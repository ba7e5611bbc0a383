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
"""What comes back from the node for one camera's images that are played."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from typing import Any
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from frm_perception.evaluation.record import percentiles
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.ros.image_messages import check_image
from frm_perception.ros.image_messages import read_image
from frm_perception.ros.replay.books import LOST
from frm_perception.ros.replay.books import UNDECIDED
from frm_perception.ros.replay.books import UNHEARD
from frm_perception.ros.replay.books import Book
from frm_perception.ros.replay.node_reports import NodeReports
from frm_perception.ros.replay.spool import Place
from frm_perception.ros.replay.spool import Spool

ANSWER = ('label', 'drivable')
"""What the node publishes of every image that it answers."""
CONFIDENCE = 'confidence'

_DEPTH = 30


@dataclass
class Sent:
    """
    An image that was published, and what came back for it.

    :param number: of the message on its topic in the recording.
    :param stamp_ns: of the image, which its answer bears as well.
    :param published_ns: on the system's clock.
    :param received_ns: output -> when it arrived, on the same clock.
    :param kept: output -> where its pixels are kept.
    """

    number: int
    stamp_ns: int
    published_ns: int
    received_ns: dict[str, int] = field(default_factory=dict)
    kept: dict[str, Future[Place]] = field(default_factory=dict)

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds from its publication to its answer; None without one."""
        if not all(output in self.received_ns for output in ANSWER):
            return None
        return (max(self.received_ns[output] for output in ANSWER) - self.published_ns) / 1e6


class CameraExchange:
    """
    The images of one camera that are sent to the node, and its answers to them.

    An answer belongs to the image with its stamp, of several to the newest.

    :param node: creates the subscriptions.
    :param camera: its name in the node.
    :param topic: of the images in the recording.
    :param reports: of the node, which answers once it has spoken.
    :param spool: keeps the answers and the confidence; None keeps nothing and asks for no more.
    """

    def __init__(self, node: Node, camera: str, topic: str, reports: NodeReports,
                 spool: Spool | None) -> None:
        self.camera = camera
        self.topic = topic
        self._reports = reports
        self._spool = spool
        self._outputs = ANSWER if spool is None else (*ANSWER, CONFIDENCE)
        self.begin()
        self.outputs = tuple(reports.topic_of(camera, output) for output in self._outputs)
        """Resolved names of the topics that the answers come on."""
        for output, name in zip(self._outputs, self.outputs, strict=True):
            node.create_subscription(Image, name, partial(self._receive, output),
                                     QoSProfile(depth=_DEPTH), raw=True)
        reports.listen(self._hear)

    def begin(self) -> None:
        """Forget what was sent: the recording is played from its beginning."""
        self.book = Book(self._reports.counts(self.camera))
        self.sent: dict[int, Sent] = {}
        """By number of the message."""
        self.repeated_stamps = 0
        """Images that bear the stamp of an earlier one: an answer may be to either."""
        self._by_stamp: defaultdict[int, list[Sent]] = defaultdict(list)
        self._latest: Sent | None = None
        self._sent_at = 0.0
        self._given_up = False

    def is_underway(self) -> bool:
        """Tell whether the latest image may still be answered, or counted under a reason."""
        latest = self._latest
        if latest is None or self._given_up:
            return False
        if latest.latency_ms is None:
            return latest.number not in self.book.fates
        return not all(output in latest.received_ns for output in self._outputs)

    @property
    def waiting_s(self) -> float:
        """Seconds since the latest image was sent."""
        return time.monotonic() - self._sent_at

    def send(self, message: RecordedMessage, published_ns: int) -> None:
        """Note an image that was published now."""
        stamp_ns = _stamp_ns(message.data)
        self._latest = Sent(message.index, stamp_ns, published_ns)
        self._sent_at = time.monotonic()
        self._given_up = False
        self.sent[message.index] = self._latest
        same = self._by_stamp[stamp_ns]
        self.repeated_stamps += bool(same)
        same.append(self._latest)
        self.book.publish(message.index)

    def give_up(self) -> str:
        """Wait no longer for the latest image; say what is known of it."""
        self._given_up = True
        assert self._latest is not None, 'something is underway'
        if self._latest.latency_ms is not None:
            return 'it was answered, but its confidence never arrived'
        return {LOST: 'the node never received it',
                UNHEARD: 'the node says that it answered, but the answer never arrived',
                UNDECIDED: 'the node has not decided about it'}[self.book.give_up()]

    def summary(self) -> str:
        """Return what the images came to as lines for people."""
        balance, latency = self.book.balance(), percentiles(self.latencies_ms())
        counts = [f'{balance.answered} of {balance.published} images answered',
                  *(f'{number} {reason}' for reason, number in balance.unanswered.items()),
                  *([f'{balance.lost} lost on their way to the node (docs/transport.md)']
                    if balance.lost else [])]
        times = ', '.join(f'{name} {value:.1f} ms' for name, value in latency.items())
        return '\n'.join([
            f'{self.topic} (camera {self.camera}): {", ".join(counts)}'
            + (f'; from publication to mask {times}' if times else ''),
            *(f'    {note}' for note in self.notes())])

    def notes(self) -> list[str]:
        """Return what does not add up or cannot be told, and what that means."""
        notes = list(self.book.balance().notes)
        if self.repeated_stamps:
            notes.append(f'{self.repeated_stamps} images bear the stamp of an earlier one: which '
                         'of them an answer belongs to is a guess, unless one is sent at a time')
        return notes

    def images(self, number: int) -> dict[str, NDArray[np.uint8]]:
        """
        Return what was kept of the answer to a message, (H, W) uint8 each, by output.

        :raises MalformedImage: what arrived is no image.
        """
        assert self._spool is not None, 'a spool keeps them'
        return {output: self._spool.get(place.result())
                for output, place in self.sent[number].kept.items()}

    def latencies_ms(self) -> Sequence[float]:
        """Return the milliseconds from publication to answer of every image that was answered."""
        return [latency for sent in self.sent.values()
                if (latency := sent.latency_ms) is not None]

    def _receive(self, output: str, data: bytes, info: Mapping[str, Any]) -> None:
        # When the middleware had it: this thread may have been busy with something else.
        received = info['received_timestamp'] or time.time_ns()
        for sent in reversed(self._by_stamp.get(_stamp_ns(data), [])):
            if output not in sent.received_ns:
                sent.received_ns[output] = received
                if self._spool is not None:
                    sent.kept[output] = self._spool.put(partial(_pixels, data))
                if output in ANSWER and sent.latency_ms is not None:
                    self.book.answer(sent.number)
                return

    def _hear(self, latest: Mapping[str, Any]) -> None:
        if self.camera in latest['cameras']:
            self.book.hear(self._reports.counts(self.camera))


def _stamp_ns(data: bytes) -> int:
    """Return the stamp of a serialised message that begins with its header, in nanoseconds."""
    order: Literal['little', 'big'] = 'little' if data[1] & 1 else 'big'
    seconds = int.from_bytes(data[4:8], order, signed=True)
    return seconds * 10**9 + int.from_bytes(data[8:12], order)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 pixels of a serialised `mono8` image."""
    message = deserialize_message(data, Image)
    check_image(message)
    return read_image(message)[0]
