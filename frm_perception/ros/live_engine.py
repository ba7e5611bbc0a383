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
"""The engine that serves, and what of it changes meanwhile: by wish, and to keep time."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

from rclpy.impl.rcutils_logger import RcutilsLogger

from frm_perception.media.legend import check_colors
from frm_perception.ros.ladder import Rung
from frm_perception.ros.loading import find_model
from frm_perception.ros.loading import load_segmenter
from frm_perception.ros.needed_engines import at_rung
from frm_perception.ros.needed_engines import needed_engines
from frm_perception.ros.needed_engines import refuse_building
from frm_perception.ros.needed_engines import rungs_of
from frm_perception.ros.parameters import EngineParameters
from frm_perception.ros.parameters import SegmenterParameters
from frm_perception.ros.succession import Failure
from frm_perception.ros.succession import Succession
from frm_perception.ros.time_keeper import Step
from frm_perception.ros.time_keeper import TimeKeeper
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.segmenter import SegmenterInfo


class Underway(NamedTuple):
    """A step whose engine is being built for that wish."""

    step: Step
    rung: Rung
    wish: EngineParameters


class LiveEngine:
    """
    The segmenter in service; other parameters bring another one, which is built aside.

    So do steps on the ladder below what was asked for, where frames have a deadline. All is called
    on the executor's thread, but for :meth:`in_work` and :meth:`note_time`.

    :param parameters: of the first one, which is loaded, and proved with an inference, now.
    :param cache: where built engines are kept.
    :param taken_over: see :class:`~frm_perception.ros.succession.Succession`.
    :raises ValueError: see :func:`~frm_perception.ros.loading.load_segmenter`, or the palette
        names a class that the model does not have, or engines would have to be built.
    :raises OSError, EngineError: see there.
    """

    def __init__(self, parameters: SegmenterParameters, cache: EngineCache | None,
                 logger: RcutilsLogger, taken_over: Callable[[Segmenter], None]) -> None:
        self._cache = cache
        self._logger = logger
        self._taken_over = taken_over
        self._problem = ''
        self._wish = self.asked = parameters.engine
        """What was asked for and served; what runs may be a lower rung of it."""
        self._deadline_ms = parameters.deadline_ms
        self._may_build = parameters.allow_engine_build
        self._keeper: TimeKeeper | None = None
        self._underway: Underway | None = None
        self._failed_rungs: set[Rung] = set()
        check_colors(find_model(parameters.engine).label_space, parameters.colors)
        if not self._may_build:
            refuse_building(needed_engines(parameters), cache)
        self._succession = Succession(
            self._build(parameters.engine), parameters.engine, self._build, self._take_over)

    @property
    def info(self) -> SegmenterInfo:
        """What serves now."""
        return self._succession.serving.info

    @property
    def sha256(self) -> str:
        """Of the file of the model that serves now, 64 hexadecimal digits."""
        serving = self._succession.serving
        return serving.bundle.entry(serving.info.precision).sha256

    @property
    def runs(self) -> EngineParameters:
        """The parameters that what serves was made of."""
        return self._succession.fulfilled

    @property
    def trouble(self) -> str:
        """Return what is the matter and what to do about it; empty where nothing is."""
        if self._problem:
            return self._problem.partition('\n')[0]
        keeper = self._keeper
        typical = None if keeper is None else keeper.typical_ms(time.monotonic())
        if keeper is not None and typical is not None and (
                keeper.is_exhausted and typical > keeper.budget_ms):
            return (f'frames take up to {typical:.1f} ms, beyond deadline_ms '
                    f'{keeper.budget_ms:g}, and there is nothing faster to fall back on: ask '
                    'for a smaller resolution or a faster model, or give the node more processor')
        return self.info.fallback or ''

    def check(self, parameters: SegmenterParameters) -> None:
        """
        Refuse what can be seen not to be possible without loading a model.

        :raises ValueError: the model does not exist, or does not fit a parameter, or engines would
            have to be built.
        :raises OSError: a folder cannot be read.
        """
        if not parameters.allow_engine_build and (
                parameters.engine != self.asked or parameters.deadline_ms != self._deadline_ms):
            refuse_building(needed_engines(parameters), self._cache)
        if parameters.engine == self.asked:
            space = self._succession.serving.label_space
        else:
            space = find_model(parameters.engine).label_space
        check_colors(space, parameters.colors)

    def adopt(self, parameters: SegmenterParameters) -> None:
        """Let an engine of these parameters, which were checked, follow when it is built."""
        self._may_build = parameters.allow_engine_build
        if parameters.engine != self._wish:
            with self._succession.unchanging():
                self._take_note()
                self._wish = parameters.engine
                self._build_aside(self.runs if self._wish == self.asked else self._wish)
        if parameters.deadline_ms != self._deadline_ms:
            self._deadline_ms = parameters.deadline_ms
            if self._keeper is not None and self._deadline_ms:
                self._keeper.budget_ms = self._deadline_ms
            elif self._keeper is not None:
                self._keeper = None
                self._build_aside(self._wish)

    def begin(self) -> None:
        """Decide about frames from now on alone: the node was not active before."""
        if self._keeper is not None:
            self._keeper.begin(time.monotonic())

    def note_time(self, milliseconds: float) -> None:
        """Take in how long a frame took that was answered now; on the worker's thread."""
        keeper = self._keeper
        if keeper is not None:
            keeper.add(milliseconds, time.monotonic())

    def tick(self) -> bool:
        """
        Do what is due; to be called every second or so.

        :return: whether the latest change that was asked for has failed, so that :attr:`asked` is
            what it was before.
        """
        has_failed = self._take_note()
        if self._succession.wanted is None:
            self._keep_time()
        return has_failed

    def in_work(self) -> AbstractContextManager[Segmenter]:
        """Keep what serves in its place for a frame; for the worker's thread."""
        return self._succession.in_work()

    def unchanging(self) -> AbstractContextManager[Segmenter]:
        """Keep what serves in its place for a moment."""
        return self._succession.unchanging()

    def values(self) -> dict[str, str | float | None]:
        """Return what `/diagnostics` says of changes and of keeping time."""
        wanted, keeper = self._succession.wanted, self._keeper
        return {
            'building': '' if wanted is None else self._described(wanted),
            'building_s': None if wanted is None else self._succession.waiting_s,
            'failed_change': self._problem,
            'deadline_ms': self._deadline_ms,
            'frame_ms': None if keeper is None else keeper.typical_ms(time.monotonic()),
            'rung': None if keeper is None else keeper.rung,
            'rungs': '' if keeper is None else ', '.join(map(str, keeper.rungs)),
            'steps': None if keeper is None else keeper.steps,
            'latest_step': '' if keeper is None else keeper.latest,
        }

    def close(self) -> None:
        """Free the engine when no frame is in work; one that is being built frees itself."""
        self._succession.close()

    def _build_aside(self, wish: EngineParameters) -> None:
        """Build an engine, instead of what is being built, unless it serves already."""
        before = self._succession.wanted
        if before not in (None, wish):
            self._logger.info(
                f'the engine {self._described(before)} is not wanted any more, and freed when it '
                'is built')
        self._problem, self._underway = '', None
        if wish != self.runs:
            self._logger.info(
                f'building an engine {self._described(wish)}; the one before serves meanwhile')
        self._succession.ask(wish)

    def _described(self, wish: EngineParameters) -> str:
        """Return what is special about an engine that is wished for."""
        if self._underway is not None:
            return f'of {self._underway.rung}'
        differences = ', '.join(
            f'{name}={value!r}' for name, value in vars(wish).items()
            if value != getattr(self.asked, name))
        return f'with {differences}' if differences else 'as was asked for'

    def _take_note(self) -> bool:
        """Go on from what was built, or could not be; tell whether a change has failed."""
        failure, now = self._succession.take_failure(), time.monotonic()
        if failure is not None:
            return self._fail(failure, now)
        if self._underway is not None and self.runs == self._underway.wish:
            if self._keeper is not None:
                self._keeper.arrive(self._underway.step, now)
            self._underway = None
        elif self.runs == self._wish != self.asked:
            self.asked, self._keeper = self._wish, None
        return False

    def _keep_time(self) -> None:
        """Step to another rung where that is due."""
        now = time.monotonic()
        if self._keeper is None:
            if self._deadline_ms:
                self._keeper = self._new_keeper(now)
            return
        step = self._keeper.decide(now)
        if step is not None:
            rung = self._keeper.rungs[step.to]
            self._problem, self._underway = '', Underway(step, rung, self._wish_of(rung))
            self._logger.info(f'stepping to {rung} to keep time: {step.why}')
            self._succession.ask(self._underway.wish)

    def _new_keeper(self, now: float) -> TimeKeeper:
        self._failed_rungs = set()
        keeper = TimeKeeper(self._deadline_ms, self._rungs(), now)
        if keeper.is_exhausted:
            self._logger.warning(
                f'deadline_ms has no effect: below {keeper.rungs[0]}, the model '
                f'{self.info.bundle} has nothing to fall back on')
        return keeper

    def _wish_of(self, rung: Rung) -> EngineParameters:
        """Return what a rung is made of: what was asked for, but for resolution and precision."""
        if rung == self._top():
            return self.asked
        return replace(
            at_rung(self.asked, rung),
            # Rungs are there for their speed: one that computes in something else is none.
            require_provider=self.asked.require_provider or self.info.fallback is None)

    def _rungs(self) -> list[Rung]:
        """Return the ladder below what was asked for, without what has failed."""
        return rungs_of(self.asked, self._succession.serving.bundle, self.info.provider,
                        self._failed_rungs, self.runs.precision)

    def _top(self) -> Rung:
        bundle = self._succession.serving.bundle
        return Rung(parse_resolution(self.asked.resolution, bundle), self.asked.precision)

    def _fail(self, failure: Failure[EngineParameters], now: float) -> bool:
        """Go on with what serves; tell whether something else was asked for."""
        what, underway, keeper = self._described(failure.wish), self._underway, self._keeper
        if underway is None:
            self._problem = (f'the engine before goes on and the parameters are set back, because '
                             f'the one {what} could not be built; mend the cause and set them '
                             f'again: {failure.error}')
            if keeper is None:
                self.asked = self.runs
            self._wish = self.asked
        else:
            self._problem = (f'the engine {what} could not be built; it is left out until another '
                             f'resolution or model is asked for: {failure.error}')
            self._failed_rungs.add(underway.rung)
            self._underway = None
        if keeper is not None:
            keeper.set_rungs(self._rungs(), now)
        self._logger.error(
            self._problem + '\n' + ''.join(traceback.format_exception(failure.error)))
        return underway is None

    def _build(self, wish: EngineParameters) -> Segmenter:
        # Checked before, but what the cache had then may be gone by now.
        if not self._may_build:
            refuse_building([wish], self._cache)
        return load_segmenter(wish, self._cache, self._logger)

    def _take_over(self, segmenter: Segmenter) -> None:
        height, width = segmenter.info.resolution
        self._logger.info(
            f'images are answered by the new engine from now on: {segmenter.info.bundle} at '
            f'{height}x{width} in {segmenter.info.precision}')
        self._taken_over(segmenter)
