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
"""What is said of an inference, from what was counted in it."""

from __future__ import annotations

from collections import Counter

from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.proof import UNTOLD
from frm_perception.runtime.engines.proof import Proof
from frm_perception.runtime.engines.proof import claim


def test_a_provider_that_does_all_the_work_is_not_commented() -> None:
    proof = Proof(Counter(cuda=60), Counter(fp16=60))
    assert (proof.provider, proof.precision) == ('cuda', 'fp16')
    assert proof.other_provider('cuda', 'it was asked for') is None
    assert proof.other_precision('fp16') is None


def test_a_provider_that_does_part_of_the_work_is_told() -> None:
    proof = Proof(Counter(cuda=12, tensorrt=1), Counter(fp32=13))
    assert proof.other_provider('tensorrt', 'it was asked for') == (
        'it was asked for, but of 13 convolutions and matrix products cuda ran 12, '
        'tensorrt ran 1')


def test_layers_left_in_a_higher_precision_are_named_and_not_a_fault() -> None:
    proof = Proof(Counter(cpu=69), Counter(int8=60, fp32=9))
    assert proof.precision == '60 int8, 9 fp32'
    assert proof.other_precision('int8') is None
    assert proof.other_precision('fp32') == (
        'precision fp32 was asked for, but of 69 convolutions and matrix products 60 ran in int8')


def test_what_tensorrt_does_not_tell_is_not_judged() -> None:
    proof = Proof(Counter(tensorrt=1), Counter({UNTOLD: 1}))
    assert proof.precision == UNTOLD
    assert proof.other_precision('fp16') is None


def test_who_wanted_a_provider_is_said() -> None:
    assert claim(EngineOptions('auto'), 'cuda') == 'provider auto chose cuda'
    assert claim(EngineOptions('cuda'), 'cuda') == 'provider cuda was asked for'
