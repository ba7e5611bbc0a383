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
"""A bundle at a precision, in an engine, at a network size: what is timed and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import why_not
from frm_perception.runtime.segmenter import Segmenter

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Variant:
    """
    A bundle at a precision, in an engine, at a network size.

    :param size: (height, width) of the network's input.
    """

    bundle: Bundle
    provider: str
    precision: str
    size: tuple[int, int]
    threads: int

    @property
    def name(self) -> str:
        """Return what tells it apart."""
        return f'{self.bundle.name} {self.precision} {self.provider} {size_text(self.size)}'

    @property
    def reference(self) -> Variant:
        """Return the variant whose labels it should have: fp32 in ONNX Runtime on the CPU."""
        return Variant(self.bundle, 'cpu', 'fp32', self.size, self.threads)

    def load(self, cache: EngineCache | None = None) -> Segmenter:
        """
        Return a segmenter that really is what the variant says.

        :raises BundleError: the model is damaged.
        :raises EngineError: it cannot be run as what it says.
        """
        return Segmenter.load(self.bundle, resolution=size_text(self.size),
                              precision=self.precision, provider=self.provider,
                              require_provider=True, threads=self.threads, cache=cache)


def variants(bundle: Bundle, providers: Sequence[str], precisions: Sequence[str],
             sizes: Sequence[tuple[int, int]], threads: int) -> list[Variant]:
    """
    Return every combination that can be: not every engine computes in every precision.

    :param precisions: empty means all that the bundle has.
    :raises BundleError: the bundle has no such precision.
    :raises ValueError: no combination can be.
    """
    for precision in precisions:
        bundle.entry(precision)
    found = [Variant(bundle, provider, precision, size, threads)
             for size in sizes for precision in precisions or bundle.precisions
             for provider in providers if why_not(provider, precision) is None]
    if not found:
        raise ValueError('none of the engines computes in any of the precisions')
    return found


def labels_of(segmenter: Segmenter, images: Sequence[Image]) -> list[Image]:
    """Return the (H, W) uint8 labels of (H, W, 3) uint8 RGB images."""
    return [segmenter.segment(image).labels for image in images]


def agreement(labels: Sequence[Image], expected: Sequence[Image]) -> float:
    """Return the share of pixels that have the label that is expected, averaged over images."""
    return float(np.mean([np.mean(got == wanted)
                          for got, wanted in zip(labels, expected, strict=True)]))


def size_text(size: Sequence[int]) -> str:
    """Return (height, width) as people write it: '384x640'."""
    return f'{size[0]}x{size[1]}'
