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
"""Whether a network is right as often as it believes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.metrics import ratio

BINS = 15
"""As many as Guo et al. take; 255 is a multiple of it, so that bins are of equal width."""


class Calibration:
    """
    Expected calibration error, ECE (Guo et al., ICML 2017), of confidences in 255 steps.

    Pixels are sorted by their confidence into 15 bins of equal width, each without its lower and
    with its upper end. The error is the mean over the bins, by their pixels, of the difference
    between the bin's mean confidence and its share of right pixels.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((256, 2), np.int64)
        """Pixels by (confidence times 255, whether they are right)."""

    def update(self, right: NDArray[np.bool_], confidence: NDArray[np.uint8]) -> None:
        """
        Count pixels.

        :param right: (N,) bool, whether the prediction is right.
        :param confidence: (N,) uint8, 255 times the probability that it claims.
        :raises ValueError: the sizes differ.
        """
        if right.shape != confidence.shape:
            raise ValueError(f'{confidence.shape} confidences cannot be compared with '
                             f'{right.shape} pixels')
        pairs = confidence.astype(np.intp) * 2 + right
        self.counts += np.bincount(pairs.ravel(), minlength=512).reshape(256, 2)

    def error(self) -> float:
        """Return the expected calibration error, 0..1; NaN if there are no pixels."""
        pixels, confidence, accuracy = self._bins()
        gaps = np.abs(confidence - accuracy)[pixels > 0] * pixels[pixels > 0]
        return float(gaps.sum() / pixels.sum()) if gaps.size else float('nan')

    def bins(self) -> list[dict[str, float]]:
        """
        Return for each bin its end ``up_to``, its ``pixels``, their ``confidence``, ``accuracy``.

        The last two are means, NaN for a bin without pixels.
        """
        return [{'up_to': (index + 1) / BINS, 'pixels': int(pixels),
                 'confidence': float(confidence), 'accuracy': float(accuracy)}
                for index, (pixels, confidence, accuracy) in enumerate(zip(*self._bins()))]

    def _bins(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        # A probability of 0 cannot be the largest of several; were it there, the first bin has it.
        bins = np.maximum(np.arange(256) - 1, 0) // (255 // BINS)
        counts = np.zeros((BINS, 2), np.int64)
        np.add.at(counts, bins, self.counts)
        claimed = np.zeros(BINS, np.int64)
        np.add.at(claimed, bins, np.arange(256) * self.counts.sum(axis=1))
        pixels = counts.sum(axis=1)
        return pixels, ratio(claimed, pixels) / 255, ratio(counts[:, 1], pixels)
