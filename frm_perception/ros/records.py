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
"""What the node remembers of each camera's frames: times, rates and problems."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import LabelSpace
from frm_perception.ros.mailbox import FrameCounts

WINDOW = 512
"""Percentiles are over so many of the latest frames."""

TIMES = {
    'age': "from the image's stamp to its arrival, on the node's clock",
    'wait': 'from its arrival to its turn',
    'decode': 'to read the message, or to decompress it',
    'prepare': "to fit the image into the network's input",
    'infer': 'the network',
    'decide': 'from logits to labels',
    'drivable': 'from labels to the drivable mask',
    'confidence': 'of the confidence, where somebody listens',
    'publish': 'to publish label, drivable, confidence and camera info',
    'latency': "from the image's stamp to then, on the node's clock",
    'extras': 'overlay and PNG, after that, where somebody listens',
}
"""The times of a frame and what each of them is; the work is timed on a steady clock."""

_RATE_REPORTS = 6
_SAMPLED = 16


class TimingWindow:
    """The latest durations of one kind, written by one thread and read by another."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def add(self, milliseconds: float) -> None:
        """Take in one duration."""
        with self._lock:
            self._values.append(milliseconds)

    def clear(self) -> None:
        """Forget all durations."""
        with self._lock:
            self._values.clear()

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

    :param times: windows of :data:`TIMES`.
    :param last_arrival: steady time of the latest message, or of activation, in seconds.
    :param last_problem: what was wrong with the latest frame that got no answer for a fault.
    :param reported: the counts when the status was last made.
    :param logged: the counts when drops were last logged.
    :param logged_lost: the images lost when that was last logged.
    :param unfit_infos: images whose size is not that of the camera info known then.
    :param batched: answers that were computed in one inference with others.
    :param one_class: the name of the only class in the latest answer, or 'unlabelled'.
    :param one_class_frames: how many answers in succession show nothing but that.
    """

    times: Mapping[str, TimingWindow] = field(
        default_factory=lambda: {name: TimingWindow() for name in TIMES})
    last_arrival: float = 0.0
    last_problem: str = ''
    reported: FrameCounts = FrameCounts()
    logged: FrameCounts = FrameCounts()
    logged_lost: int = 0
    unfit_infos: int = 0
    batched: int = 0
    one_class: str = ''
    one_class_frames: int = 0
    _reports: deque[tuple[float, int, int]] = field(
        default_factory=lambda: deque(maxlen=_RATE_REPORTS))

    def __post_init__(self) -> None:
        self.rates(self.reported)

    def add_times(self, milliseconds: Mapping[str, float]) -> None:
        """Take in durations of one frame by name."""
        for name, duration in milliseconds.items():
            self.times[name].add(duration)

    def forget_ages(self) -> None:
        """Forget what was measured on the node's clock, which has jumped."""
        for name in ('age', 'latency'):
            self.times[name].clear()

    def note_labels(self, labels: NDArray[np.uint8], space: LabelSpace) -> None:
        """
        Count answers in succession that show one class alone.

        :param labels: (H,W) uint8 of what the network saw.
        """
        value = int(labels[0, 0])
        # Most answers are of several classes, which a few of their pixels show.
        if (labels[::_SAMPLED, ::_SAMPLED] != value).any() or (labels != value).any():
            self.one_class, self.one_class_frames = '', 0
            return
        name = space.classes[value] if value < len(space.classes) else 'unlabelled'
        self.one_class_frames = self.one_class_frames + 1 if name == self.one_class else 1
        self.one_class = name

    def rates(self, counts: FrameCounts) -> tuple[float, float]:
        """Return the frames received and answered a second, over the latest reports."""
        now = time.monotonic()
        self._reports.append((now, counts.received, counts.answered))
        since, received, answered = self._reports[0]
        if now <= since:
            return 0.0, 0.0
        return ((counts.received - received) / (now - since),
                (counts.answered - answered) / (now - since))
