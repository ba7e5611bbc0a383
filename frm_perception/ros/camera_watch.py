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
"""What becomes of cameras' images: remembered, logged once in a while, told in statuses."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping

from rclpy.impl.rcutils_logger import RcutilsLogger

from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.diagnostics import PartStatus
from frm_perception.ros.diagnostics import camera_status
from frm_perception.ros.diagnostics import one_class_trouble
from frm_perception.ros.log_throttle import LogThrottle
from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.mailbox import Outcome
from frm_perception.ros.records import CameraRecord

SILENCE_S = 5.0
"""An active camera without a message for so long is worth a warning."""


class CameraWatch:
    """
    Watches over what becomes of the images of several cameras.

    :param topics: of each camera.
    :param before: what was counted of each until now.
    :param throttle: keeps the log from repeating itself.
    """

    def __init__(self, logger: RcutilsLogger, topics: Mapping[str, CameraTopics],
                 before: Mapping[str, FrameCounts], throttle: LogThrottle) -> None:
        self._logger = logger
        self._topics = topics
        self._throttle = throttle
        self._active = False
        self.records = {camera: CameraRecord(reported=counts, logged=counts)
                        for camera, counts in before.items()}

    def begin(self) -> None:
        """Expect images from now on."""
        self._active = True
        for record in self.records.values():
            record.last_arrival = time.monotonic()

    def end(self, counts: Mapping[str, FrameCounts]) -> None:
        """Expect none any more; what waited was dropped because of this, not for newer ones."""
        self._active = False
        for camera, record in self.records.items():
            record.logged = counts[camera]

    def note_arrival(self, camera: str, now: float, age_ms: float) -> None:
        """Take in that a message came, of that age."""
        self.records[camera].last_arrival = now
        self.records[camera].add_times({'age': age_ms})

    def forget_ages(self) -> None:
        """Forget what was measured on the node's clock, which has jumped."""
        for record in self.records.values():
            record.forget_ages()

    def statuses(self, counts: Mapping[str, FrameCounts]) -> dict[str, PartStatus]:
        """Return the state of every camera."""
        return {camera: camera_status(record, counts[camera], self._topics[camera],
                                      self._silence(camera))
                for camera, record in self.records.items()}

    def log_conditions(self, counts: Mapping[str, FrameCounts]) -> None:
        """Log, once in a while, what is wrong with images on their way to an active node."""
        for camera in self.records if self._active else ():
            self._log_conditions(camera, counts[camera])

    def report(self, camera: str, outcome: Outcome, error: Exception, so_far: FrameCounts) -> None:
        """Remember, and log once in a while, why an image gets no answer."""
        record, topic = self.records[camera], self._topics[camera].input
        if outcome is not Outcome.FAILED:
            record.last_problem = str(error)
            if self._throttle.allows(camera, outcome):
                self._logger.warning(
                    f'{outcome.value} image on {topic} '
                    f'({getattr(so_far, outcome.value)} so far): {error}')
        else:
            record.last_problem = f'{type(error).__name__}: {error}'
            if self._throttle.allows(camera, outcome):
                self._logger.error(
                    f'a frame of {topic} failed; the next ones are tried\n'
                    + ''.join(traceback.format_exception(error)))

    def _log_conditions(self, camera: str, counts: FrameCounts) -> None:
        record, topics = self.records[camera], self._topics[camera]
        trouble = self._silence(camera) or one_class_trouble(record)
        if trouble and self._throttle.allows(camera, 'trouble'):
            self._logger.warning(f'camera {camera}: {trouble}')
        if counts.dropped > record.logged.dropped and self._throttle.allows(camera, 'dropped'):
            self._logger.info(
                f'{topics.input} is faster than its answers: of the latest '
                f'{counts.received - record.logged.received} images '
                f'{counts.dropped - record.logged.dropped} were dropped for newer ones')
            record.logged = counts
        lost = (topics.lost or 0) - record.logged_lost
        if lost > 0 and self._throttle.allows(camera, 'lost'):
            self._logger.warning(
                f'{lost} images on {topics.input} never arrived, says the middleware (see '
                'config/fastdds_shm.xml for FastDDS)')
            record.logged_lost += lost

    def _silence(self, camera: str) -> str:
        """Say what to look at where no message came for too long; else nothing."""
        silence = time.monotonic() - self.records[camera].last_arrival
        if not self._active or silence <= SILENCE_S:
            return ''
        topics = self._topics[camera]
        return f'no image for {silence:.0f} s on {topics.input}: {topics.describe_publishers()}'
