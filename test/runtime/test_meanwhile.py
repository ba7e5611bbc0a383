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
"""What is said while something else takes its time."""

from __future__ import annotations

from queue import SimpleQueue

import pytest

from frm_perception.runtime.meanwhile import meanwhile


def test_it_is_said_again_and_again_until_the_end_and_not_after_it() -> None:
    said: SimpleQueue[float] = SimpleQueue()
    with meanwhile(0.01, said.put):
        times = [said.get(timeout=10.0) for _ in range(3)]
    assert 0 < times[0] < times[1] < times[2]
    count = said.qsize()
    with pytest.raises(ValueError, match='no good'), meanwhile(3600.0, said.put):
        raise ValueError('no good')
    assert said.qsize() == count
