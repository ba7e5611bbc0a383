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
"""Demands on a comparison, for tests that run by themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frm_perception.evaluation.drive.compare import less_is_better


class GateError(ValueError):
    """A demand that makes no sense; the message says what would."""


@dataclass(frozen=True)
class Gate:
    """
    A demand on one figure of a comparison.

    :param figure: its name among the comparison's.
    :param value: a share, 0..1, or milliseconds.
    :param drop: the demand is on the change for the worse from ``a`` to ``b``, else on ``b``.
    """

    figure: str
    value: float
    drop: bool

    @classmethod
    def parse(cls, text: str, drop: bool) -> Gate:
        """
        Read FIGURE=VALUE.

        :raises GateError: the text is something else, or less of the figure is better and the
            demand is on the figure itself.
        """
        figure, _, value = text.rpartition('=')
        unclear = f'{text!r} is not FIGURE=VALUE, such as drivable_iou=0.95'
        if not figure:
            raise GateError(unclear)
        try:
            gate = cls(figure, float(value), drop)
        except ValueError as error:
            raise GateError(unclear) from error
        if not drop and less_is_better(figure):
            raise GateError(f'less is better of {figure}; --max-drop {figure}=MILLISECONDS fails '
                            'where it rises by more than that')
        most = math.inf if less_is_better(figure) else 1.0
        if not 0 <= gate.value <= most:
            raise GateError(f'{text!r}: the value is a share from 0 to 1, or milliseconds')
        return gate

    def failure(self, comparison: Mapping[str, Any]) -> str | None:
        """
        Return why a comparison does not meet the demand; None if it does.

        A figure of which nothing was seen does not meet any.

        :raises GateError: the comparison has no such figure.
        """
        figures = comparison['figures']
        if self.figure not in figures:
            raise GateError(f'no figure {self.figure!r}; there are {", ".join(figures)}')
        figure = figures[self.figure]
        found = figure['difference'] if self.drop else figure['b']
        if found is None:
            return f'{self.figure} is not known, so the demand cannot be met'
        if not self.drop:
            return None if found >= self.value else (
                f'{self.figure} is {found:.6g}, below {self.value:g}')
        drop = found if less_is_better(self.figure) else -found
        return None if drop <= self.value else (
            f'{self.figure} is worse by {drop:.6g}, more than {self.value:g} '
            f'({figure["a"]:.6g} to {figure["b"]:.6g}; {_certainty(figure)})')


def _certainty(figure: Mapping[str, Any]) -> str:
    if figure['low'] is None:
        return 'too few segments to say how sure that is'
    how = 'leaves out' if figure['low'] > 0 or figure['high'] < 0 else 'has'
    return (f'the 95 % interval of the difference, {figure["low"]:+.6g} to {figure["high"]:+.6g}, '
            f'{how} 0')
