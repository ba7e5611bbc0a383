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
"""Tests of which rungs a ladder has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from frm_perception.ros.ladder import Rung
from frm_perception.ros.ladder import ladder
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import InputSpec

SHIPPED = Bundle.load(Path(__file__).parents[2] / 'models' / 'frm-light-mobilenetv2')
FREE = SHIPPED.input
FIXED = replace(FREE, min=FREE.default, max=FREE.default)


def texts(rungs: list[Rung]) -> list[str]:
    return [str(rung) for rung in rungs]


def test_the_shipped_model_goes_to_int8_on_a_cpu_and_then_to_half_its_sides() -> None:
    rungs = ladder(Rung((384, 640), 'fp32'), FREE, tuple(SHIPPED.precisions), 'cpu')
    assert texts(rungs) == ['384x640 fp32', '384x640 int8', '320x544 int8', '288x480 int8',
                            '224x384 int8', '192x320 int8']


def test_each_provider_has_the_precisions_that_it_computes_in() -> None:
    every = ('fp32', 'fp16', 'bf16', 'int8', 'int8-tensorrt')
    for provider, asked, expected in (
            ('cpu', 'fp32', ['fp32', 'int8']), ('cpu', 'int8', ['int8']),
            ('openvino', 'fp32', ['fp32', 'bf16']), ('cuda', 'fp32', ['fp32', 'fp16']),
            ('tensorrt', 'fp32', ['fp32', 'fp16', 'int8-tensorrt']),
            ('tensorrt', 'fp16', ['fp16', 'int8-tensorrt']), ('torch', 'fp32', ['fp32']),
            ('cpu', 'my own', ['my own'])):
        rungs = ladder(Rung(FREE.default, asked), FIXED, every, provider)
        assert [rung.precision for rung in rungs] == expected


def test_a_model_of_one_size_and_precision_has_nothing_to_fall_back_on() -> None:
    assert texts(ladder(Rung(FREE.default, 'fp32'), FIXED, ('fp32',), 'cpu')) == ['384x640 fp32']


@given(data=st.data(), provider=st.sampled_from(['cpu', 'tensorrt']))
def test_what_answers_stays_whatever_else_cannot_be_built(
        data: st.DataObject, provider: str) -> None:
    every = ('fp32', 'fp16', 'int8', 'int8-tensorrt')
    here, failed = Rung((384, 640), 'fp32'), set()
    for _ in range(6):
        rungs = ladder(Rung((384, 640), 'fp32'), FREE, every, provider, failed, here.precision)
        assert here in rungs and not failed & set(rungs)
        wish = data.draw(st.sampled_from(rungs))
        if wish != here and data.draw(st.booleans()):
            failed.add(wish)
        else:
            here = wish


def test_a_precision_that_fails_leaves_the_smaller_inputs_to_the_one_before_it() -> None:
    top, failed = Rung((384, 640), 'fp32'), {Rung((384, 640), 'int8')}
    precisions = tuple(SHIPPED.precisions)
    assert texts(ladder(top, FREE, precisions, 'cpu', failed, 'fp32'))[:2] == [
        '384x640 fp32', '320x544 fp32']
    assert texts(ladder(top, FREE, precisions, 'cpu', failed, 'int8'))[:2] == [
        '384x640 fp32', '320x544 int8']


@given(height=st.integers(2, 34), width=st.integers(2, 64), multiple=st.sampled_from([16, 32, 64]),
       precisions=st.sets(st.sampled_from(['int8', 'fp16', 'bf16'])))
def test_every_rung_fits_and_is_between_what_was_asked_for_and_half_its_sides(
        height: int, width: int, multiple: int, precisions: set[str]) -> None:
    least = 2 * multiple, 2 * multiple
    accepts = InputSpec('image', multiple, least, (2176, 4096), least, (0, 0, 0))
    top = Rung((height * multiple, width * multiple), 'fp32')
    rungs = ladder(top, accepts, ('fp32', *precisions), 'cpu')
    assert rungs[0] == top
    assert len(set(rungs)) == len(rungs)
    for before, rung in zip(rungs, rungs[1:]):
        assert rung.pixels <= before.pixels
        assert accepts.fits(rung.resolution)
        assert rung.precision == ('int8' if 'int8' in precisions else 'fp32')
        for side, asked in zip(rung.resolution, top.resolution):
            assert asked // 2 - multiple < side <= asked
