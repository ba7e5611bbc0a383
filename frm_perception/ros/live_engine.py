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
"""The engine that serves, and what of it changes while it does."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields

from rclpy.impl.rcutils_logger import RcutilsLogger

from frm_perception.ros.legend import check_colors
from frm_perception.ros.loading import find_model
from frm_perception.ros.loading import load_segmenter
from frm_perception.ros.parameters import EngineParameters
from frm_perception.ros.parameters import SegmenterParameters
from frm_perception.ros.succession import Succession
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.segmenter import SegmenterInfo


class LiveEngine:
    """
    The segmenter in service; other parameters bring another one, which is built aside.

    Opened, asked and closed on the executor's thread.

    :param parameters: of the first one, which is loaded, and proved with an inference, now.
    :param cache: where built engines are kept.
    :param taken_over: see :class:`~frm_perception.ros.succession.Succession`.
    :raises ValueError: see :func:`~frm_perception.ros.loading.load_segmenter`, or the palette
        names a class that the model does not have.
    :raises OSError, EngineError: see there.
    """

    def __init__(self, parameters: SegmenterParameters, cache: EngineCache | None,
                 logger: RcutilsLogger, taken_over: Callable[[Segmenter], None]) -> None:
        self._cache = cache
        self._logger = logger
        self._taken_over = taken_over
        self.problem = ''
        """Why the latest change failed; empty if it did not."""
        check_colors(find_model(parameters.engine).label_space, parameters.colors)
        self._succession = Succession(
            self._build(parameters.engine), parameters.engine, self._build, self._take_over)

    @property
    def info(self) -> SegmenterInfo:
        """What serves now."""
        return self._succession.serving.info

    @property
    def runs(self) -> EngineParameters:
        """The parameters that what serves was made of."""
        return self._succession.fulfilled

    def check(self, parameters: SegmenterParameters) -> None:
        """
        Refuse what can be seen not to be possible without loading a model.

        :raises ValueError: the model does not exist, or does not fit a parameter.
        :raises OSError: a folder cannot be read.
        """
        with self._succession.unchanging() as segmenter:
            runs, space = self.runs, segmenter.label_space
        if parameters.engine != runs:
            space = find_model(parameters.engine).label_space
        check_colors(space, parameters.colors)

    def ask(self, wish: EngineParameters) -> None:
        """Let an engine of these parameters, which were checked, follow when it is built."""
        before = self._succession.wanted
        if wish == (before or self.runs):
            return
        self.problem = ''
        if before is not None:
            self._logger.info(
                f'the engine with {_differences(self.runs, before)} is not wanted any more, and '
                'freed when it is built')
        if wish != self.runs:
            self._logger.info(
                f'building an engine with {_differences(self.runs, wish)}; the one before serves '
                'meanwhile')
        self._succession.ask(wish)

    def take_failure(self) -> bool:
        """Tell, once, whether the latest change failed, and log why."""
        failure = self._succession.take_failure()
        if failure is None:
            return False
        self.problem = (
            f'the engine before goes on, and the parameters are set back, because one with '
            f'{_differences(self.runs, failure.wish)} could not be built; mend the cause and set '
            f'them again: {failure.error}')
        self._logger.error(self.problem + '\n' + ''.join(
            traceback.format_exception(failure.error)))
        return True

    def in_work(self) -> AbstractContextManager[Segmenter]:
        """Keep what serves in its place for a frame; for the worker's thread."""
        return self._succession.in_work()

    def unchanging(self) -> AbstractContextManager[Segmenter]:
        """Keep what serves in its place for a moment."""
        return self._succession.unchanging()

    def values(self) -> dict[str, str | float | None]:
        """Return what `/diagnostics` says of changes."""
        wanted = self._succession.wanted
        return {
            'building': '' if wanted is None else _differences(self.runs, wanted),
            'building_s': None if wanted is None else self._succession.waiting_s,
            'failed_change': self.problem,
        }

    def close(self) -> None:
        """Free the engine when no frame is in work; one that is being built frees itself."""
        self._succession.close()

    def _build(self, wish: EngineParameters) -> Segmenter:
        return load_segmenter(wish, self._cache, self._logger)

    def _take_over(self, segmenter: Segmenter) -> None:
        height, width = segmenter.info.resolution
        self._logger.info(
            f'images are answered by the new engine from now on: {segmenter.info.bundle} at '
            f'{height}x{width} in {segmenter.info.precision}')
        self._taken_over(segmenter)


def _differences(runs: EngineParameters, wish: EngineParameters) -> str:
    """Return what a wish has another value of, as `name=value`."""
    pairs = ((part.name, getattr(wish, part.name)) for part in fields(wish))
    return ', '.join(f'{name}={value!r}' for name, value in pairs if value != getattr(runs, name))
