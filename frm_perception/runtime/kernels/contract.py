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
"""What the kernels compute, and how near two numbers may be before rounding decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.kernels.sampling import Float
from frm_perception.runtime.kernels.sampling import Sampling

U8 = NDArray[np.uint8]

AMBIGUITY = 2.0 ** -20
"""
A distance between two classes at all corners, as a share of the largest logit's size, that the
rounding of single precision between the corners cannot make up for: three roundings of 2^-24 each
on either side, and a bit to spare.
"""

NEGLIGIBLE = 8e-5
"""Share of a pixel's probability that may be left out: a fiftieth of one of 255 steps."""


@dataclass(frozen=True)
class Foot:
    """
    The foot of an image, where the vehicle is: a strip at its lower border.

    :param top: its first row; it ends with the image.
    :param left: its first column.
    :param right: one past its last column.
    """

    top: int
    left: int
    right: int


class Kernels(Protocol):
    """
    The computations for every pixel; logits are (C, h, w) float32 of a whole network input.

    Logits must be finite; cells that the sampling does not use are not looked at. A pixel's
    logits are, in single precision, ``(tl * l + tr * h) * a + (bl * l + br * h) * b`` with the
    logits of the cells around it and the weights of :class:`.sampling.Axis`.
    """

    @property
    def name(self) -> str:
        """What computes: 'numba' or 'numpy', with its version."""

    def labels(self, logits: Float, sampling: Sampling) -> U8:
        """Return (H, W) uint8, the class with a pixel's largest logit; the lowest of equals."""

    def confidence(self, logits: Float, sampling: Sampling) -> U8:
        """
        Return (H, W) uint8, 255 times the softmax probability of each pixel's label, rounded.

        The logits are interpolated first, then come their probabilities.
        """

    def confident(self, logits: Float, sampling: Sampling, labels: U8, classes: U8,
                  least: int) -> U8:
        """
        Return (H, W) uint8, 255 for pixels of some classes whose confidence is not too low.

        :param labels: what :meth:`labels` returned.
        :param classes: (256,) 255 for the classes that count, else 0; 0 for IGNORE.
        :param least: the lowest :meth:`confidence`, 1..255.
        """

    def settle(self, mask: U8, state: U8, streak: U8, appear: int, vanish: int) -> None:
        """
        Take over those changes of a mask that lasted; all are (H, W) uint8 and contiguous.

        :param mask: what the newest frame says: 255 or 0.
        :param state: what holds; changed in place.
        :param streak: how many frames in succession have contradicted it; changed in place.
        :param appear: frames that it takes to become 255, 1..100.
        :param vanish: frames that it takes to become 0, 1..100.
        """

    def remove_areas(self, mask: U8, least: int, foot: Foot | None) -> None:
        """
        Set areas of a mask to 0 that are too small or do not reach the foot.

        An area is made of pixels that touch at a side, not only at a corner.

        :param mask: (H, W) uint8, contiguous; changed in place.
        :param least: pixels of the smallest area that stays.
        :param foot: one of the area's pixels must lie in it.
        """
