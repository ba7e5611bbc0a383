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
"""Whose memory of Fast DDS this process cannot share is found by its owner."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from frm_perception.runtime.shared_memory import others_with_segments


def test_own_segments_and_files_of_others_are_none(tmp_path: Path) -> None:
    (tmp_path / 'fastrtps_port7411').touch()
    assert others_with_segments(tmp_path) == others_with_segments(tmp_path / 'nowhere') == []


@pytest.mark.skipif(os.geteuid() != 0, reason='gives files to other users')
def test_segments_of_other_users_tell_their_names_once(tmp_path: Path) -> None:
    for number, owner in enumerate((0, 1, 1, 54321)):
        (tmp_path / f'fastrtps_{number}').touch()
        os.chown(tmp_path / f'fastrtps_{number}', owner, owner)
    (tmp_path / 'sem.other').touch()
    os.chown(tmp_path / 'sem.other', 2, 2)
    assert others_with_segments(tmp_path) == ['54321', 'daemon']
