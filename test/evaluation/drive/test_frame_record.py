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
"""The record of a frame as a line of JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.frame_record import FrameRecord

RECORD = FrameRecord(
    bag='drive', camera='/front/image_raw', index=3, stamp_ns=1_700_000_000_123_456_789,
    recorded_ns=1_700_000_000_223_456_789, height=4, width=6, labels_digest='0a',
    drivable_digest='0b', class_pixels=(20, 4), drivable_share=0.25, confidence=0.5,
    confusion=((20, 0, 0), (1, 2, 1)), drivable_confusion=((4, 1, 0), (1, 18, 0)), stability=0.75,
    agreement=None, alarms=('frozen',),
    milliseconds={'decode': 1.5, 'infer': 20.25})

shares = st.none() | st.floats(0, 1)
counts = st.none() | st.lists(st.tuples(*[st.integers(0, 2**40)] * 3), max_size=3).map(tuple)


@given(name=st.text(), index=st.integers(0), stamp=st.integers(0, 2**63), confidence=shares,
       stability=shares, confusion=counts, pixels=st.lists(st.integers(0)).map(tuple),
       times=st.dictionaries(st.text(), st.floats(0, 1e9)))
def test_any_record_is_one_line_and_comes_back_from_it(
        name: str, index: int, stamp: int, confidence: float | None, stability: float | None,
        confusion: tuple[tuple[int, ...], ...] | None, pixels: tuple[int, ...],
        times: dict[str, float]) -> None:
    record = replace(RECORD, bag=name, camera=name, index=index, stamp_ns=stamp,
                     confidence=confidence, stability=stability, confusion=confusion,
                     class_pixels=pixels, milliseconds=times)

    line = record.to_line()

    assert '\n' not in line
    assert FrameRecord.from_line(line) == record


@pytest.mark.parametrize('line', [
    '', '{', '[]', '{}', 'null', json.dumps({**json.loads(RECORD.to_line()), 'more': 1}),
    RECORD.to_line()[:-5]])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError):
        FrameRecord.from_line(line)
