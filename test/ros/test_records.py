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
"""What is remembered of frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tiny_bundle import TINY

from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.records import WINDOW
from frm_perception.ros.records import CameraRecord
from frm_perception.ros.records import TimingWindow


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)),
                     elements=st.sampled_from([0, 255]), fill=st.just(np.uint8(0))))
def test_an_answer_is_of_one_class_only_if_every_pixel_is(labels: np.ndarray) -> None:
    record = CameraRecord()
    record.note_labels(labels, TINY)
    assert (record.one_class_frames == 1) == (len(np.unique(labels)) == 1)


def test_answers_of_one_class_after_another_are_counted_anew() -> None:
    record = CameraRecord()
    for value, name, frames in (
            (1, 'road', 1), (1, 'road', 2), (0, 'sky', 1), (255, 'unlabelled', 1)):
        record.note_labels(np.full((3, 5), value, np.uint8), TINY)
        assert (record.one_class, record.one_class_frames) == (name, frames)


def test_rates_are_of_the_frames_since_the_record_began() -> None:
    record = CameraRecord(reported=FrameCounts(received=100, answered=90))
    rate_in, rate_out = record.rates(FrameCounts(received=104, answered=92))
    assert rate_in == pytest.approx(2 * rate_out) and rate_out > 0
    for _ in range(10):
        rates = record.rates(FrameCounts(received=104, answered=92))
    assert rates == (0.0, 0.0)


@pytest.mark.parametrize('count', [1, 10, WINDOW, 3 * WINDOW])
def test_percentiles_are_of_the_latest_frames(count: int) -> None:
    window = TimingWindow()
    for value in range(count):
        window.add(float(value))
    found = window.percentiles()
    assert found is not None
    latest = np.arange(count)[-WINDOW:]
    assert found == tuple(np.percentile(latest, (50, 95, 99)))
    window.clear()
    assert window.percentiles() is None
