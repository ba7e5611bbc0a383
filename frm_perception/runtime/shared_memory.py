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
"""The shared memory that Fast DDS sends images through; docs/transport.md has the measurements."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

SHARED_MEMORY = Path('/dev/shm')
SEGMENT_BYTES = 70_300_000
"""What one process with ``config/fastdds_shm.xml`` takes of it, as measured."""
PROFILE_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
"""Names the file of that profile."""


def others_with_segments(folder: Path = SHARED_MEMORY) -> list[str]:
    """
    Return who else has memory of Fast DDS in a folder, which is shared within one user only.

    :return: their names, or numbers where they have none; sorted.
    """
    owners = set()
    for segment in folder.glob('fastrtps_*'):
        try:
            owners.add(segment.stat().st_uid)
        except FileNotFoundError:  # its process has just ended
            continue
    return sorted(_name(owner) for owner in owners - {os.geteuid()})


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
