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
"""What `/diagnostics` says: a status for each camera and one for the engine."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from rclpy.node import Node

from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.mailbox import FrameCounts

WINDOW = 512
"""Percentiles are over so many of the latest frames."""

_CLOCKS_DISAGREE_MS = 60e3


class TimingWindow:
    """The latest durations of one kind, written by the worker and read by the executor."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def add(self, milliseconds: float) -> None:
        """Take in one duration."""
        with self._lock:
            self._values.append(milliseconds)

    def percentiles(self) -> tuple[float, float, float] | None:
        """Return p50, p95 and p99 in milliseconds; None before the first duration."""
        with self._lock:
            values = list(self._values)
        if not values:
            return None
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        return float(p50), float(p95), float(p99)


@dataclass
class CameraRecord:
    """
    What the node remembers of one camera while it is configured.

    :param latency: from the image's stamp to the published answer, on the node's clock.
    :param inference: the engine's share of it, on the steady clock.
    :param last_arrival: steady time of the latest message, or of activation, in seconds.
    :param last_problem: what was wrong with the latest frame that got no answer for a fault.
    :param reported: the counts when the status was last made.
    :param logged: the counts when drops were last logged.
    :param logged_lost: the images lost when that was last logged.
    :param unfit_infos: images whose size is not that of the camera info known then.
    """

    latency: TimingWindow = field(default_factory=TimingWindow)
    inference: TimingWindow = field(default_factory=TimingWindow)
    last_arrival: float = 0.0
    last_problem: str = ''
    reported: FrameCounts = FrameCounts()
    logged: FrameCounts = FrameCounts()
    logged_lost: int = 0
    unfit_infos: int = 0


def camera_status(
        node: Node, camera: str, record: CameraRecord, counts: FrameCounts, topics: CameraTopics,
        silence: float | None) -> DiagnosticStatus:
    """
    Return one camera's status and remember its counts for the next.

    :param topics: where its images come from.
    :param silence: seconds since the last message where that is too long; else None.
    """
    before, record.reported = record.reported, counts
    latency = record.latency.percentiles()
    level, message = DiagnosticStatus.OK, 'images are answered'
    if counts.failed > before.failed:
        level, message = DiagnosticStatus.ERROR, f'frames fail: {record.last_problem}'
    elif counts.malformed > before.malformed:
        level, message = DiagnosticStatus.WARN, f'malformed images: {record.last_problem}'
    elif counts.stale > before.stale:
        level, message = DiagnosticStatus.WARN, (
            f'images are too old: {record.last_problem}; is use_sim_time set as it should be, '
            'and do the clocks agree?')
    elif silence is not None:
        level, message = DiagnosticStatus.WARN, f'no image for {silence:.0f} s'
    elif latency is not None and abs(latency[0]) > _CLOCKS_DISAGREE_MS:
        level, message = DiagnosticStatus.WARN, (
            f"the images' stamps are {abs(latency[0]) / 1e3:.0f} s away from the node's clock: "
            'is use_sim_time set as it should be?')
    elif counts.received == before.received:
        message = 'no image since the last report'
    elif counts.unwanted > before.unwanted:
        message = 'idle: nobody has subscribed to anything of this camera'
    values: dict[str, object] = {
        'topic': topics.input,
        'transport': topics.transport,
        'received': counts.received,
        'answered': counts.answered,
        'dropped': counts.dropped,
        'unwanted': counts.unwanted,
        'limited': counts.limited,
        'stale': counts.stale,
        'malformed': counts.malformed,
        'failed': counts.failed,
        'in_flight': counts.in_flight,
        'lost': 'unknown' if topics.lost is None else topics.lost,
        'unfit_camera_infos': record.unfit_infos,
        **_percentile_values('latency', latency),
        **_percentile_values('inference', record.inference.percentiles()),
        'last_problem': record.last_problem,
    }
    return make_status(node, camera, level, message, values)


def make_status(
        node: Node, part: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """
    Return a status of a part of the node.

    `hardware_id` is the node's full name: two nodes in different namespaces have equal names.
    """
    return DiagnosticStatus(
        name=f'{node.get_name()}: {part}', level=level, message=message,
        hardware_id=node.get_fully_qualified_name(),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


def _percentile_values(
        kind: str, percentiles: tuple[float, float, float] | None
) -> dict[str, str]:
    """Return `<kind>_p50_ms` and so on; empty text before the first frame."""
    texts = ['', '', ''] if percentiles is None else [f'{value:.1f}' for value in percentiles]
    return {f'{kind}_p{rank}_ms': text for rank, text in zip((50, 95, 99), texts)}
