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
"""Confidence at the network's own cells."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Request
from frm_perception.runtime.segmenter import Segmenter


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 200), width=st.integers(1, 200))
def test_it_is_the_largest_probability_of_each_cell_that_shows_the_image(
        tiny_bundle: Path, height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with Segmenter.load(Bundle.load(tiny_bundle), provider='cpu', threads=1) as segmenter:
        inferred = segmenter.infer([Request(image)])[0]
        rows, columns = (side // 4 for side in inferred.seen.content)

        confidence = segmenter.cell_confidence(inferred)

    logits = inferred.logits[:, :rows, :columns]
    expected = 255 / np.exp(logits - logits.max(axis=0)).sum(axis=0)
    assert confidence.shape == (rows, columns)
    assert np.abs(confidence - expected).max() <= 0.51
