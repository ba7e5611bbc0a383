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
"""How kernels are compiled: once, for one thread, and kept for the next process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from typing import TypeVar

import numba

Function = TypeVar('Function', bound=Callable[..., object])

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
    raise ImportError('NUMBA_DISABLE_JIT is set: nothing would be compiled')

LOGITS = 'float32[:, :, ::1]'
AXIS = 'intp[::1], intp[::1], intp[::1], float32[::1], float32[::1]'
"""Types of interval, start, end, low and high of :class:`.sampling.Axis`."""

uncached: list[str] = []
"""Why kernels could not be taken from a cache and kept there, in numba's words."""


def compiled(signature: str) -> Callable[[Function], Function]:
    """
    Return a decorator that compiles a function for these types of arguments, there and then.

    Without ``fastmath``: single precision is computed step by step, as NumPy does it.

    numba keeps the result in ``NUMBA_CACHE_DIR`` where that is set, else beside the module in
    ``__pycache__``, or where that cannot be written in the user's own cache folder
    (https://numba.readthedocs.io/en/stable/developer/caching.html).
    """
    def compile_now(function: Function) -> Function:
        # NumPy's error model: a division by zero is no exception, so many can be done at once.
        compile_it: Any = partial(numba.njit, signature, nogil=True, error_model='numpy')
        try:
            return compile_it(cache=True)(function)
        except Exception as error:  # no folder to write to, or a damaged file: any error of pickle
            uncached.append(f'{type(error).__name__}: {error}')
            return compile_it()(function)
    return compile_now
