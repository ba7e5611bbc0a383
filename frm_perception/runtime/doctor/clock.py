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
"""Whether somebody keeps the clock right, which the ages of images depend on."""

from __future__ import annotations

import ctypes

from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level

_UNSYNCHRONISED = 5
"""What adjtimex() returns then: TIME_ERROR of https://man7.org/linux/man-pages/man2/adjtimex.2.html."""
_TIMEX_BYTES = 256
"""Larger than its structure on any Linux; all zero, it asks and changes nothing."""


def kernel_clock_state() -> int:
    """
    Return how the kernel's clock is, as adjtimex() says.

    :raises OSError: the kernel does not tell.
    """
    library = ctypes.CDLL(None, use_errno=True)
    state: int = library.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        raise OSError(ctypes.get_errno(), 'adjtimex() failed')
    return state


def check_clock(state: int | None) -> Finding:
    """
    Tell whether the clock is synchronised.

    :param state: as :func:`kernel_clock_state` returns it; None: it cannot be told.
    """
    source = 'adjtimex()'
    if state is None:
        return Finding('clock', Level.SKIPPED, 'the kernel does not tell', source)
    if state == _UNSYNCHRONISED:
        return Finding(
            'clock', Level.WARNING, 'nobody synchronises it', source,
            'where images, or what uses the masks, have stamps of another computer, synchronise '
            'both: chrony, "timedatectl set-ntp true", or PTP; a Jetson without a battery for its '
            'clock starts in the past')
    return Finding('clock', Level.OK, 'synchronised', source)
