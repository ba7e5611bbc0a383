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
"""Which engines a node needs for its parameters, and whether they are built."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from collections.abc import Iterable
from dataclasses import replace

from frm_perception.ros.ladder import Rung
from frm_perception.ros.ladder import ladder
from frm_perception.ros.loading import find_model
from frm_perception.ros.parameters import EngineParameters
from frm_perception.ros.parameters import SegmenterParameters
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import why_build


class BuildRefusedError(ValueError):
    """Engines would have to be compiled for minutes; the text has the commands that do."""


def needed_engines(parameters: SegmenterParameters) -> list[EngineParameters]:
    """
    Return what a node loads: what was asked for, and with `deadline_ms` all that is below it.

    :raises ValueError: see :func:`~frm_perception.ros.loading.find_model`.
    :raises OSError: see there.
    """
    asked = parameters.engine
    if not parameters.deadline_ms:
        return [asked]
    rungs = rungs_of(asked, find_model(asked), asked.provider)
    return [asked, *(at_rung(asked, rung) for rung in rungs[1:])]


def rungs_of(asked: EngineParameters, bundle: Bundle, provider: str, failed: Collection[Rung] = (),
             serving: str = '') -> list[Rung]:
    """
    Return the ladder below what was asked for, which is its first rung.

    :param bundle: the model.
    :param provider: and the following, see :func:`~frm_perception.ros.ladder.ladder`.
    """
    top = Rung(parse_resolution(asked.resolution, bundle), asked.precision)
    # A DLA has one precision.
    offered = [asked.precision] if asked.dla_core >= 0 else list(bundle.precisions)
    return ladder(top, bundle.input, offered, provider, failed, serving)


def at_rung(asked: EngineParameters, rung: Rung) -> EngineParameters:
    """Return what was asked for, but for the resolution and the precision of a rung."""
    return replace(asked, resolution='{}x{}'.format(*rung.resolution), precision=rung.precision)


def refuse_building(wishes: Iterable[EngineParameters], cache: EngineCache | None) -> None:
    """
    Refuse engines that are not there yet and take minutes to compile.

    :param cache: where the node keeps its engines.
    :raises BuildRefusedError: one is not there.
    :raises ValueError: see :func:`~frm_perception.ros.loading.find_model`.
    :raises OSError: see there.
    :raises EngineError: ONNX Runtime is missing.
    """
    commands: list[str] = []
    problem = ''
    for wish in wishes:
        bundle = find_model(wish)
        size = parse_resolution(wish.resolution, bundle)
        why = why_build(bundle.verified_model(wish.precision), EngineOptions(
            wish.provider, wish.precision, size=size, cache=cache, dla_core=wish.dla_core,
            max_gpu_memory_mib=wish.max_gpu_memory_mib))
        if why is not None:
            rung = Rung(size, wish.precision)
            commands.append(_command(str(bundle.folder.resolve()), rung, wish, cache))
            problem = problem or (f'the engine of {bundle.name} at {rung} would have to be built, '
                                  f'which takes minutes: {why}')
    if commands:
        raise BuildRefusedError(
            f'allow_engine_build is false, and {problem}. Build what is missing ahead, on this '
            f'computer and as the user who runs the node: {" && ".join(commands)} (or all that a '
            f'file of parameters needs: frm engine build --params FILE)')


def _command(folder: str, rung: Rung, wish: EngineParameters, cache: EngineCache | None) -> str:
    command = ['frm', 'engine', 'build', '--model', folder, '--provider', wish.provider,
               '--resolution', '{}x{}'.format(*rung.resolution), '--precision', rung.precision]
    if wish.dla_core >= 0:
        command += ['--dla-core', str(wish.dla_core)]
    if wish.max_gpu_memory_mib:
        command += ['--max-gpu-memory-mib', str(wish.max_gpu_memory_mib)]
    if cache is not None:
        command += ['--engine-cache', str(cache.folder.absolute())]
    return shlex.join(command)
