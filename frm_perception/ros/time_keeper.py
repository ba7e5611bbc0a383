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
"""When to step down a ladder because frames take too long, and when to step up again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from frm_perception.ros.ladder import Rung

RANK = 90
"""Percentile of the times of frames that is held to the budget."""
LEAST_FRAMES = 20
LEAST_S = 2.0
"""Decisions are about so many frames and so many seconds, of one rung, at least."""
MARGIN = 0.8
"""A higher rung must be expected to take no more than this share of the budget ..."""
CALM_S = 5.0
"""... for so long, which doubles each time the step up had to be undone ..."""
STEADY_S = 60.0
"""... before it had lasted so long."""
MOST_CALM_S = 3600.0
RETRY = 60
"""
A more exact precision is tried after so many times the calm even against expectation.

What is expected of it rests on a time when it ran, under a load that may be gone.
"""

_MOST_FRAMES = 512


class Step(NamedTuple):
    """
    A step to another rung.

    :param to: its index.
    :param why: in words.
    """

    to: int
    why: str


class TimeKeeper:
    """
    Watches the times of frames and says when to step, and where to.

    It never flaps. Down it steps when frames are late; rungs on which they would still be, even if
    their time fell as much as the pixels, are passed over. Up it steps one rung at a time, when
    frames there are expected to keep the budget with a margin: of more pixels that they take that
    much longer, which is as long as it can be; of a more exact precision that it takes as much
    longer as in the best times that both had. What must be undone is not tried again soon.

    Frames may be added on one thread while another decides.

    :param budget_ms: what a frame may take.
    :param rungs: from what was asked for, on which it begins, to the floor.
    :param now: steady time in seconds, as everywhere here.
    """

    def __init__(self, budget_ms: float, rungs: Sequence[Rung], now: float) -> None:
        self.rungs = tuple(rungs)
        self.rung = 0
        """Index of the one that frames are answered on."""
        self.steps = 0
        self.latest = ''
        """Where the latest step went, and why; empty before the first."""
        self._frames: deque[tuple[float, float]] = deque(maxlen=_MOST_FRAMES)
        self._lock = threading.Lock()
        self._best_ms: dict[Rung, float] = {}
        self._calm_s: dict[Rung, float] = {}
        self._climbed = False
        self._calm_since: float | None = None
        self._decided = now
        self.budget_ms = budget_ms
        """Another one may be put in its place."""
        self.begin(now)

    def begin(self, now: float) -> None:
        """Forget the frames up to now, as of another time, and decide about later ones alone."""
        with self._lock:
            self._frames.clear()
        self._since = now
        self._calm_since = None

    def set_rungs(self, rungs: Sequence[Rung], now: float) -> None:
        """Go on with another ladder, which has the rung that frames are answered on."""
        self.rung = rungs.index(self.rungs[self.rung])
        self.rungs = tuple(rungs)
        self.begin(now)

    def add(self, milliseconds: float, now: float) -> None:
        """Take in the time of a frame that was answered now."""
        with self._lock:
            self._frames.append((now, milliseconds))

    def arrive(self, step: Step, now: float) -> None:
        """Go on from the rung of a step, which frames are answered on from now on."""
        self._climbed = step.to < self.rung
        self.rung, self.latest = step.to, f'to {self.rungs[step.to]}: {step.why}'
        self.steps += 1
        self.begin(now)

    def typical_ms(self, now: float) -> float | None:
        """Return the percentile of the latest frames; None while they are too few."""
        with self._lock:
            frames = list(self._frames)
        if now - self._since < LEAST_S or len(frames) < LEAST_FRAMES:
            return None
        latest = [time for at, time in frames if now - at <= LEAST_S]
        if len(latest) < LEAST_FRAMES:
            latest = [time for _, time in frames[-LEAST_FRAMES:]]
        return float(np.percentile(latest, RANK))

    def decide(self, now: float) -> Step | None:
        """Return the step that is due, if one is; to be called every second or so."""
        typical = self.typical_ms(now)
        if typical is None or self._frames[-1][0] < self._decided:
            return None
        self._decided = now
        here = self.rungs[self.rung]
        self._best_ms[here] = min(typical, self._best_ms.get(here, typical))
        if typical > self.budget_ms:
            self._calm_since = None
            return self._down(typical, now)
        return self._up(typical, now) if self.rung else None

    @property
    def is_exhausted(self) -> bool:
        """Whether there is no lower rung."""
        return self.rung == len(self.rungs) - 1

    def _down(self, typical: float, now: float) -> Step | None:
        if self.is_exhausted:
            return None
        here, to = self.rungs[self.rung], self.rung + 1
        if self._climbed:
            undone = now - self._since < STEADY_S
            self._calm_s[here] = min(2 * self._calm(here), MOST_CALM_S) if undone else CALM_S
            self._climbed = False
        while to < len(self.rungs) - 1 and self.rungs[to].precision == here.precision and (
                typical * self.rungs[to].pixels / here.pixels > self.budget_ms):
            to += 1
        return Step(to, f'{RANK} % of the frames took up to {typical:.1f} ms, and deadline_ms is '
                        f'{self.budget_ms:g}')

    def _up(self, typical: float, now: float) -> Step | None:
        here, above = self.rungs[self.rung], self.rungs[self.rung - 1]
        goal, calm_s = MARGIN * self.budget_ms, self._calm(above)
        if here.precision == above.precision:
            expected = typical * above.pixels / here.pixels
        else:
            expected = typical * self._best_ms[above] / self._best_ms[here]
            if typical <= goal and now - self._since >= RETRY * calm_s:
                return Step(self.rung - 1, f'to see whether {above} keeps deadline_ms '
                                           f'{self.budget_ms:g} now')
        if expected > goal:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= calm_s:
            return Step(self.rung - 1, f'frames are expected to take {expected:.1f} ms there, and '
                                       f'deadline_ms is {self.budget_ms:g}')
        return None

    def _calm(self, rung: Rung) -> float:
        return self._calm_s.get(rung, CALM_S)
