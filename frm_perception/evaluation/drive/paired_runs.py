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
"""The frames that two runs have in common, summed by segments of the drive."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.drive.frame_record import Counts
from frm_perception.evaluation.drive.frame_record import FrameRecord

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

SHARES = ('stability', 'agreement', 'confidence')
"""Figures of frames that are averaged."""


@dataclass(frozen=True)
class FrameSums:
    """
    What is kept of a frame.

    :param classes: (C, 3) int64 pixels that are right, true and predicted of each class; None
        without labels. ``drivable``: (3,), likewise of the drivable area.
    :param shares: of :data:`SHARES`, NaN where a frame does not have one.
    :param milliseconds: its latency; NaN where it is not known.
    """

    stamp_ns: int
    recorded_ns: int
    classes: Integers | None
    drivable: Integers | None
    shares: tuple[float, ...]
    milliseconds: float

    @classmethod
    def of(cls, record: FrameRecord, chosen: Sequence[int]) -> FrameSums:
        """Keep of a record the classes at the chosen positions."""
        drivable = _hits(record.drivable_confusion, (0,))
        return cls(
            record.stamp_ns, record.recorded_ns, _hits(record.confusion, chosen),
            None if drivable is None else drivable[0],
            tuple(_number(getattr(record, name)) for name in SHARES),
            _number(record.milliseconds.get('total')))


Pair = tuple[FrameSums, FrameSums]


@dataclass(frozen=True)
class RunSums:
    """
    What one of two runs counted in S segments, of what the other one knows as well.

    :param classes: (S, C, 3) int64, as in :class:`FrameSums`; ``drivable``: (S, 3).
    :param shares: for each of :data:`SHARES` (S, 2) float64, sum and number of frames.
    :param milliseconds: (N,) float64 latencies of frames; ``segment``: (N,) int64 their segments.
    """

    classes: Integers
    drivable: Integers
    shares: Mapping[str, Floats]
    milliseconds: Floats
    segment: Integers


@dataclass(frozen=True)
class SegmentSums:
    """
    Two runs by segments.

    :param names: (bag, seconds at which it begins) of each segment, S of them.
    :param labelled: frames that both have labels of; ``other_labels``: those of them whose labels
        differ.
    """

    names: Sequence[tuple[str, float]]
    a: RunSums
    b: RunSums
    labelled: int
    other_labels: int


def match(a: Iterable[FrameSums], b: Iterable[FrameSums]) -> tuple[list[Pair], int, int]:
    """
    Pair frames of one camera by their stamps, those of the same stamp in their order.

    :return: the pairs, and how many frames only ``a`` has, and only ``b``.
    """
    first, second = _by_stamp(a), _by_stamp(b)
    common = first.keys() & second.keys()
    return ([(first[key], second[key]) for key in sorted(common)],
            len(first) - len(common), len(second) - len(common))


def sum_segments(bag: str, begin_ns: int, pairs: Sequence[Pair], seconds: float, classes: int
                 ) -> SegmentSums:
    """
    Sum a bag's pairs of frames, of all its cameras, by segments of its time.

    What only one frame of a pair knows counts in neither run.

    :param pairs: one at least.
    :param classes: how many classes are kept of each frame.
    :param begin_ns: when the bag begins; a frame's segment is that in which it was recorded.
    :param seconds: how long a segment is.
    """
    recorded = np.array([frame.recorded_ns for frame, _ in pairs], np.int64)
    numbers, segment = np.unique((recorded - begin_ns) // round(seconds * 1e9),
                                 return_inverse=True)
    sides = [_run_sums(pairs, side, segment, (len(numbers), classes)) for side in (0, 1)]
    labelled = [pair for pair in pairs if all(frame.drivable is not None for frame in pair)]
    return SegmentSums(
        [(bag, float(number * seconds)) for number in numbers], sides[0], sides[1],
        len(labelled), sum(_truths_differ(*pair) for pair in labelled))


def together(parts: Sequence[SegmentSums]) -> SegmentSums:
    """Return the segments of several bags as one sequence."""
    names = [name for part in parts for name in part.names]
    starts = np.cumsum([0, *(len(part.names) for part in parts)])
    sides = []
    for runs in ([part.a for part in parts], [part.b for part in parts]):
        sides.append(RunSums(
            np.concatenate([run.classes for run in runs]),
            np.concatenate([run.drivable for run in runs]),
            {name: np.concatenate([run.shares[name] for run in runs]) for name in SHARES},
            np.concatenate([run.milliseconds for run in runs]),
            np.concatenate([run.segment + start for run, start in zip(runs, starts)])))
    return SegmentSums(names, sides[0], sides[1], sum(part.labelled for part in parts),
                       sum(part.other_labels for part in parts))


def _run_sums(pairs: Sequence[Pair], side: int, segment: Integers, shape: tuple[int, int]
              ) -> RunSums:
    """:param shape: numbers of segments and of classes."""
    segments, _ = shape
    shares = np.array([[frame.shares for frame in pair] for pair in pairs])
    known = ~np.isnan(shares).any(axis=1)
    times = np.array([[frame.milliseconds for frame in pair] for pair in pairs])
    timed = ~np.isnan(times).any(axis=1)
    classes, drivable = np.zeros((*shape, 3), np.int64), np.zeros((segments, 3), np.int64)
    for number, pair in zip(segment, pairs):
        one, other = pair[side], pair[1 - side]
        if one.classes is not None and other.classes is not None:
            classes[number] += one.classes
        if one.drivable is not None and other.drivable is not None:
            drivable[number] += one.drivable
    return RunSums(
        classes, drivable,
        {name: _averaged(shares[:, side, column], known[:, column], segment, segments)
         for column, name in enumerate(SHARES)},
        times[timed, side], segment[timed])


def _averaged(values: Floats, known: NDArray[np.bool_], segment: Integers, segments: int
              ) -> Floats:
    """Return (segments, 2) sums and numbers; exact, so that no order of frames changes them."""
    found: list[list[float]] = [[] for _ in range(segments)]
    for number, value in zip(segment[known], values[known]):
        found[number].append(float(value))
    return np.array([(math.fsum(part), len(part)) for part in found])


def _hits(counts: Counts | None, chosen: Sequence[int]) -> Integers | None:
    """Return (chosen, 3) pixels that are right, true and predicted."""
    if counts is None:
        return None
    matrix = np.array(counts, np.int64)
    parts = np.stack([np.diagonal(matrix), matrix.sum(axis=1), matrix[:, :-1].sum(axis=0)], axis=1)
    return parts[list(chosen)]


def _truths_differ(a: FrameSums, b: FrameSums) -> bool:
    return any(one is not None and other is not None
               and not np.array_equal(one[..., 1], other[..., 1])
               for one, other in ((a.classes, b.classes), (a.drivable, b.drivable)))


def _by_stamp(frames: Iterable[FrameSums]) -> dict[tuple[int, int], FrameSums]:
    seen: Counter[int] = Counter()
    found = {}
    for frame in frames:
        found[frame.stamp_ns, seen[frame.stamp_ns]] = frame
        seen[frame.stamp_ns] += 1
    return found


def _number(value: float | None) -> float:
    return math.nan if value is None else value
