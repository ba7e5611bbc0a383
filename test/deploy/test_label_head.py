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
"""Argmax within the graph: the same labels as the package's own way to them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('onnx', reason='export needs onnx: requirements/train.txt')

from hypothesis import given  # noqa: E402
from hypothesis import settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tiny_bundle import STRIDE  # noqa: E402
from tiny_bundle import tiny_model  # noqa: E402

from frm_perception.deploy.label_head import with_labels  # noqa: E402
from frm_perception.runtime.engines import Engine  # noqa: E402
from frm_perception.runtime.engines import EngineOptions  # noqa: E402
from frm_perception.runtime.engines import open_engine  # noqa: E402
from frm_perception.runtime.kernels.arrays import ArrayKernels  # noqa: E402
from frm_perception.runtime.kernels.sampling import sampling  # noqa: E402


def opened(model: bytes, provider: str = 'cpu', size: tuple[int, int] = (64, 64)) -> Engine:
    """Open a model."""
    return open_engine(model, 'labels.onnx', EngineOptions(provider, size=size, threads=1))


LOGITS = opened(tiny_model())
LABELS = opened(with_labels(tiny_model(), STRIDE))


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2 ** 32 - 1),
       st.sampled_from([1, 3, 20]))
def test_labels_of_the_graph_are_those_of_the_exact_upsampling(
        rows: int, columns: int, seed: int, block: int) -> None:
    size = rows * STRIDE, columns * STRIDE
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    image = image[::block, ::block].repeat(block, 0).repeat(block, 1)[:size[0], :size[1]]
    batch = np.ascontiguousarray(image[None])
    logits = LOGITS.infer(batch)[0]
    expected = ArrayKernels().labels(logits, sampling(size, STRIDE, size))
    found = LABELS.infer(batch)
    assert found.dtype == np.uint8 and found.shape == (1, *size)
    for label in np.argwhere(found[0] != expected):
        assert _tied(logits, found[0], expected, tuple(label)), label


def _tied(logits: np.ndarray, found: np.ndarray, expected: np.ndarray,
          pixel: tuple[int, int]) -> bool:
    """Tell whether two labels of a pixel are equally right, to within single precision."""
    corners, weights = [], []
    for position, cells in zip(pixel, logits.shape[1:], strict=True):
        at = (position + 0.5) / STRIDE - 0.5
        low = int(np.floor(at))
        corners.append(np.clip([low, low + 1], 0, cells - 1))
        weights.append(np.array([low + 1 - at, at - low]))
    values = np.einsum('cyx,y,x->c', logits[:, corners[0]][:, :, corners[1]], *weights)
    return bool(abs(values[found[pixel]] - values[expected[pixel]]) < 1e-5)


@pytest.mark.parametrize('provider', ['cpu', 'openvino'])
def test_every_engine_gives_labels_as_they_are(provider: str) -> None:
    engine = opened(with_labels(tiny_model(), STRIDE), provider, (64, 96))
    assert engine.provider == provider
    assert (engine.output.name, engine.output.dtype) == ('labels', 'uint8')
    assert engine.first_shape == (1, 64, 96)
    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    assert np.mean(engine.infer(batch) != LABELS.infer(batch)) < 0.001
