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
"""Figures of a set of frames, and which of them deserve a look."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.figures import drivable_iou
from frm_perception.evaluation.drive.figures import figures
from frm_perception.evaluation.drive.figures import mean_iou
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.metrics import ConfusionMatrix

CLASSES = ('sky', 'road')
FRAME = FrameRecord(
    bag='drive', camera='/front/image_raw', index=0, stamp_ns=0, recorded_ns=0, height=4, width=6,
    labels_digest='', drivable_digest='', class_pixels=(20, 4), drivable_share=0.25,
    confidence=0.5, confusion=None, drivable_confusion=None, stability=None, agreement=None,
    alarms=(), milliseconds={})


def test_figures_of_frames_with_and_without_labels() -> None:
    records = [
        replace(FRAME, confusion=((8, 0, 0), (2, 6, 0)), drivable_confusion=((6, 2, 0), (0, 8, 0)),
                stability=0.5),
        replace(FRAME, confusion=((0, 0, 0), (0, 7, 1)), drivable_confusion=((7, 0, 1), (0, 0, 0)),
                stability=1.0, alarms=('frozen',), drivable_share=0.75),
        replace(FRAME, confidence=None, drivable_share=0.5)]

    assert figures(records, CLASSES) == {
        'frames': 3, 'labelled': 2, 'mean_iou': pytest.approx((8 / 10 + 13 / 16) / 2),
        'iou': {'sky': 8 / 10, 'road': 13 / 16}, 'pixel_accuracy': 21 / 24,
        'drivable_iou': 13 / 16, 'drivable_precision': 1, 'drivable_recall': 13 / 16,
        'drivable_share': 0.5, 'confidence': 0.5, 'stability': 0.75, 'agreement': None,
        'alarms': {'one_class': 0, 'frozen': 1},
        'confusion': {'classes': ['sky', 'road'], 'counts': [[8, 0], [2, 13]],
                      'no_class': [0, 1]}}


def test_no_frames_have_no_figures() -> None:
    found = figures([], ())
    assert found['frames'] == found['labelled'] == 0
    assert found['iou'] == {} and found['confusion']['counts'] == []
    assert all(found[name] is None for name in (
        'mean_iou', 'pixel_accuracy', 'drivable_iou', 'drivable_share', 'confidence', 'stability'))


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 6), max_size=5), st.randoms())
def test_figures_are_those_of_the_summed_confusions_in_any_order(
        counts: Sequence[tuple[int, ...]], random: object) -> None:
    records = [replace(FRAME, confusion=(row[:3], row[3:]), drivable_confusion=(row[:3], row[3:]),
                       confidence=row[0] / 50) for row in counts]
    matrix = ConfusionMatrix(CLASSES)
    matrix.counts += np.sum([np.reshape(row, (2, 3)) for row in counts] or [[0]], axis=0)

    found = figures(records, CLASSES)

    assert found['mean_iou'] == pytest.approx(matrix.mean_iou(), nan_ok=True) or (
        found['mean_iou'] is None and np.isnan(matrix.mean_iou()))
    assert figures(records[::-1], CLASSES) == found


def test_figures_of_one_frame() -> None:
    record = replace(FRAME, confusion=((8, 0, 0), (2, 6, 0)),
                     drivable_confusion=((0, 0, 0), (0, 16, 0)))
    assert mean_iou(record) == pytest.approx((8 / 10 + 6 / 8) / 2)
    assert drivable_iou(record) is None
    assert drivable_iou(FRAME) is mean_iou(FRAME) is None
