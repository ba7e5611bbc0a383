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
"""What a node may fall back on to keep time: less exact, then smaller inputs of the same model."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from frm_perception.runtime.bundle import InputSpec
from frm_perception.runtime.engines import why_not

_FASTER: Mapping[str, Sequence[str]] = {
    'cpu': ('fp32', 'int8'), 'openvino': ('fp32', 'bf16'), 'cuda': ('fp32', 'fp16'),
    'tensorrt': ('fp32', 'fp16', 'int8-tensorrt')}
"""Provider -> the precisions that it computes in, each faster than the one before."""

_SHARES = (7, 6, 5, 4)
"""Eighths of the sides that were asked for; the last is the floor."""


class Rung(NamedTuple):
    """
    An input of the network.

    :param resolution: (height, width).
    """

    resolution: tuple[int, int]
    precision: str

    @property
    def pixels(self) -> int:
        """How many the network looks at."""
        return self.resolution[0] * self.resolution[1]

    def __str__(self) -> str:
        return f'{self.resolution[0]}x{self.resolution[1]} {self.precision}'


def ladder(top: Rung, accepts: InputSpec, offered: Sequence[str], provider: str,
           failed: Collection[Rung] = (), serving: str = '') -> list[Rung]:
    """
    Return the rungs from what was asked for down to the floor.

    First come the faster precisions that the model has, which keep its labels within the limits of
    the accuracy gate; then, in the last of them, smaller inputs of about the same shape, down to
    half the sides. Each has fewer pixels than the one before, or as many.

    :param accepts: the sizes that the network takes.
    :param offered: precisions of the model.
    :param provider: what computes it.
    :param failed: what could not be built, and is left out; with the resolution that was asked
        for, its precision is left out altogether.
    :param serving: a precision that works, as frames are answered in it now: its other rungs stay.
    """
    without = {rung.precision for rung in failed if rung.resolution == top.resolution} - {serving}
    chain = _FASTER.get(provider, ())
    faster = chain[chain.index(top.precision) + 1:] if top.precision in chain else ()
    rungs = [top, *(Rung(top.resolution, precision) for precision in faster
                    if precision in offered and precision not in without
                    and why_not(provider, precision) is None)]
    for eighths in _SHARES:
        height, width = (side * eighths // 8 // accepts.multiple_of * accepts.multiple_of
                         for side in top.resolution)
        rung = Rung((height, width), rungs[-1].precision)
        if accepts.fits(rung.resolution) and rung.pixels < rungs[-1].pixels:
            rungs.append(rung)
    return [rung for rung in rungs if rung not in failed]
