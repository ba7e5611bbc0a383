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
"""What is known of one evaluated frame of a drive: one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields

Counts = tuple[tuple[int, ...], ...]
"""Rows of a confusion matrix: (true class, predicted class), the last column without a class."""


@dataclass(frozen=True)
class FrameRecord:
    """
    One frame; two evaluations of it differ in ``milliseconds`` and in nothing else.

    :param bag: name of the bag in this run.
    :param camera: topic of its images.
    :param index: number of the message on its topic, from 0.
    :param stamp_ns: when the image was taken, in nanoseconds, from its header.
    :param recorded_ns: when the message was recorded, in nanoseconds.
    :param height: rows of the camera image.
    :param width: columns of the camera image.
    :param labels_digest: of the label image, :func:`.scorer.labels_digest`.
    :param drivable_digest: of the drivable mask, :func:`.scorer.drivable_digest`.
    :param class_pixels: pixels of each class of the model.
    :param drivable_share: drivable pixels as a share of all, 0..1.
    :param confidence: mean over the pixels with a label, 0..1; None where it was not computed.
    :param confusion: pixels by true and predicted class of what is compared; None without labels.
    :param drivable_confusion: likewise of drivable and not drivable; None without labels.
    :param stability: share of the pixels that keep their label, 0..1; None where it is not known.
    :param agreement: share of the pixels with the second model's label, 0..1; None without one.
    :param alarms: what is wrong with the frame: of :data:`.alarms.ALARMS`.
    :param milliseconds: durations by stage.
    """

    bag: str
    camera: str
    index: int
    stamp_ns: int
    recorded_ns: int
    height: int
    width: int
    labels_digest: str
    drivable_digest: str
    class_pixels: tuple[int, ...]
    drivable_share: float
    confidence: float | None
    confusion: Counts | None
    drivable_confusion: Counts | None
    stability: float | None
    agreement: float | None
    alarms: tuple[str, ...]
    milliseconds: Mapping[str, float]

    def to_line(self) -> str:
        """Return the record as JSON in one line, without the line's end."""
        return json.dumps(asdict(self), separators=(',', ':'), allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> FrameRecord:
        """
        Return the record that :meth:`to_line` wrote.

        :raises ValueError: the line is something else.
        """
        content = json.loads(line)
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            raise ValueError('it is not the record of a frame')
        for name in ('class_pixels', 'alarms'):
            content[name] = tuple(content[name])
        for name in ('confusion', 'drivable_confusion'):
            if content[name] is not None:
                content[name] = tuple(map(tuple, content[name]))
        return cls(**content)
