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
"""The compiled kernels where numba is installed, else those in NumPy."""

from __future__ import annotations

from frm_perception.runtime.kernels.arrays import ArrayKernels
from frm_perception.runtime.kernels.contract import Kernels


def load_kernels() -> tuple[Kernels, str | None]:
    """
    Return the fastest kernels there are, ready to run, and what is wrong with them in words.

    The first call of a process imports numba and compiles, or reads what an earlier process
    compiled and left in a cache.
    """
    try:
        from frm_perception.runtime.kernels.compile import uncached
        from frm_perception.runtime.kernels.compiled import CompiledKernels
    except Exception as error:  # it is missing, or too old for these kernels: errors of its own
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        return ArrayKernels(), (
            f'labels are computed by NumPy, which takes longer: numba cannot be used ({reason}); '
            'requirements/run.txt has the version that can')
    problem = None
    if uncached:
        problem = (
            f'the kernels were compiled again, and will be at every start: {uncached[0]}. '
            'Remedy: delete the cache if it is damaged, or set NUMBA_CACHE_DIR to a folder that '
            'only this user can write to')
    return CompiledKernels(), problem
