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
"""Which part of a picture a vehicle may drive on: from classes to a mask one can rely on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from frm_perception.runtime.kernels.contract import Foot
from frm_perception.runtime.kernels.contract import Kernels
from frm_perception.runtime.kernels.sampling import Float
from frm_perception.runtime.kernels.sampling import Sampling

MAX_FRAMES = 100
"""Most frames that a change can be made to wait for."""

U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class DrivableRules:
    """
    What it takes for a pixel of a drivable class to be drivable; as it comes, nothing more.

    The rules are applied in this order. Shares are of the part of the image that the network saw.

    :param min_confidence: lowest softmax probability of the pixel's class, 0..1; compared in
        steps of 1/255, those of the confidence image.
    :param appear_frames: a pixel becomes drivable in the last of so many frames in succession
        that say so, 1..100.
    :param vanish_frames: a drivable pixel stops being so in the last of so many frames in
        succession that say so, 1..100.
    :param max_gap_s: a longer time between two frames makes the filter forget, in seconds.
    :param min_area: smallest connected area, as a share of all pixels, 0..1.
    :param foot: areas must reach the vehicle: the middle half of a strip at the lower border that
        is this share of the rows high, 0..1. 0 switches the rule off.
    :raises ValueError: a value out of its range.
    """

    min_confidence: float = 0.0
    appear_frames: int = 1
    vanish_frames: int = 1
    max_gap_s: float = 1.0
    min_area: float = 0.0
    foot: float = 0.0

    def __post_init__(self) -> None:
        for name in ('min_confidence', 'min_area', 'foot'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'{name} is {getattr(self, name)}; it is a share, 0 to 1')
        for name in ('appear_frames', 'vanish_frames'):
            if not 1 <= getattr(self, name) <= MAX_FRAMES:
                raise ValueError(f'{name} is {getattr(self, name)}; possible: 1 to {MAX_FRAMES}')
        if not 0 < self.max_gap_s < math.inf:
            raise ValueError(f'max_gap_s is {self.max_gap_s}; it is a time in seconds above 0')

    @property
    def remember(self) -> bool:
        """Whether a frame's mask depends on the frames before it."""
        return max(self.appear_frames, self.vanish_frames) > 1

    def for_one_image(self) -> DrivableRules:
        """Return the rules for an image that no other one goes before."""
        return replace(self, appear_frames=1, vanish_frames=1)


class DrivableFilter:
    """
    The rules for one camera, with what they need to remember of its earlier frames.

    The filter forgets, so that nothing is drivable until it has appeared anew, where the size of
    the masks changes, where time runs backwards, and after a gap of more than ``max_gap_s``.
    """

    def __init__(self, rules: DrivableRules) -> None:
        self.rules = rules
        self._stamp_ns = 0
        self._state: U8 = np.empty((0, 0), np.uint8)
        self._streak: U8 = np.empty((0, 0), np.uint8)  # frames in succession that contradict it

    def mask(self, logits: Float, sampling: Sampling, labels: U8, classes: U8, kernels: Kernels,
             stamp_ns: int | None = None) -> U8:
        """
        Return the (H, W) uint8 mask of a frame: 255 where a vehicle may drive, else 0.

        :param logits: (C, h, w) of the frame.
        :param labels: (H, W) that ``kernels`` made of them with that sampling.
        :param classes: (256,) uint8, 255 for the drivable classes, else 0.
        :param stamp_ns: when the frame was taken, in nanoseconds of any clock.
        :raises ValueError: the rules look at time, and there is no stamp.
        """
        rules = self.rules
        least = round(255 * rules.min_confidence)
        if least:
            mask = kernels.confident(logits, sampling, labels, classes, least)
        else:
            mask = by_class(labels, classes)
        if rules.remember:
            mask = self._over_time(mask, stamp_ns, kernels)
        if rules.min_area or rules.foot:
            height, width = mask.shape
            foot = None
            if rules.foot:
                foot = Foot(height - max(round(rules.foot * height), 1), width // 4,
                            width - width // 4)
            kernels.remove_areas(mask, math.ceil(rules.min_area * mask.size), foot)
        return mask

    def _over_time(self, mask: U8, stamp_ns: int | None, kernels: Kernels) -> U8:
        """Return the mask in which only changes that lasted are made."""
        if stamp_ns is None:
            raise ValueError('rules with appear_frames or vanish_frames above 1 need the stamp_ns '
                             'of every frame')
        passed = stamp_ns - self._stamp_ns
        if mask.shape != self._state.shape or not 0 <= passed <= self.rules.max_gap_s * 1e9:
            self._state, self._streak = np.zeros_like(mask), np.zeros_like(mask)
        self._stamp_ns = stamp_ns
        kernels.settle(mask, self._state, self._streak, self.rules.appear_frames,
                       self.rules.vanish_frames)
        return self._state.copy()


def by_class(labels: U8, classes: U8) -> U8:
    """Return (H, W) uint8, 255 where the (256,) table ``classes`` is not 0 for a label, else 0."""
    # A comparison for each of a few classes takes a fraction of what looking up every pixel does.
    mask = np.zeros(labels.shape, bool)
    for drivable in np.flatnonzero(classes):
        mask |= labels == drivable
    return mask.view(np.uint8) * np.uint8(255)
