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
"""What a process holds of the machine's memory."""

import mmap
import os

from frm_perception.runtime.resident_memory import resident_mib


def test_memory_that_is_written_to_is_resident():
    before = resident_mib()
    # A mapping of its own: an array may get memory that was freed, but is resident still.
    with mmap.mmap(-1, 32 * 2 ** 20) as block:
        block.write(bytes([1]) * len(block))
        assert 24 < resident_mib() - before < 80
    assert abs(resident_mib(os.getpid()) - resident_mib()) < 8
