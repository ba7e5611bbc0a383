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
"""The model that the node would load, and the cache of what is built of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.engine_cache import folder_problem

KEEPING = ('tensorrt', 'openvino')
"""Providers that have engines to keep."""


def check_model(find: Callable[[], Bundle], precision: str) -> tuple[Finding, Bundle | None]:
    """
    Tell whether the model is there, and every file as its manifest says.

    :param find: returns the bundle, or raises why there is none.
    :param precision: which the node would load.
    :return: the finding, and the bundle where it can be loaded.
    """
    remedy = 'copy the bundle again; a good one is in models/ of the package'
    try:
        bundle = find()
    except (ValueError, OSError) as error:
        return Finding('model', Level.ERROR, str(error), 'model.yaml', remedy), None
    source = str(bundle.folder)
    problems = {}
    for name in {precision: None, **bundle.precisions}:
        try:
            bundle.verified_model(name)
        except ValueError as error:
            problems[name] = str(error)
    if precision in problems:
        return Finding('model', Level.ERROR, problems[precision], source, remedy), None
    if problems:
        return Finding('model', Level.WARNING, '; '.join(problems.values()), source,
                       remedy), bundle
    return Finding('model', Level.OK, f'{bundle.name}: {", ".join(bundle.precisions)}, with the '
                   f'hashes of the manifest', source), bundle


def check_engine_cache(folder: Path | None, provider: str) -> Finding:
    """
    Tell whether what is built can be kept.

    :param folder: of the cache; None: the user has no home.
    :param provider: as asked for.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('engine cache', level, found, str(folder or 'HOME, XDG_CACHE_HOME'), remedy)

    if provider not in KEEPING:
        return finding(Level.SKIPPED, f'provider {provider} has no engines to keep')
    bad = Level.ERROR if provider == 'tensorrt' else Level.WARNING
    remedy = ('give a folder of the user who runs the node as engine_cache, and ask as that user '
              '("sudo -u USER"): without one every start builds the engine anew')
    if folder is None:
        return finding(bad, 'there is none', remedy)
    if os.path.lexists(folder):
        try:
            problem = folder_problem(folder)
        except OSError as error:
            problem = f'it cannot be read: {error.strerror}'
        if problem is None and not os.access(folder, os.W_OK | os.X_OK):
            problem = 'it cannot be written to'
        if problem is not None:
            return finding(bad, problem, remedy)
        if stat.S_IMODE(folder.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            return finding(Level.WARNING, 'it is open to other users, and the node will close it',
                           f'"chmod 700 {folder}"; what others could change is built again')
        built = len(list(folder.glob('*/manifest.json')))
        return finding(Level.OK, f'engines in it: {built}')
    parent = next(place for place in folder.parents if place.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        return finding(bad, f'it is not there, and nothing can be made in {parent}', remedy)
    return finding(Level.OK, 'it is not there yet, and can be made')
