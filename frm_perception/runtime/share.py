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
"""Where the files that come with the package lie: in a checkout and in an installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = 'frm_perception'


def share_folder(name: str) -> Path:
    """
    Return the folder ``name`` ('models', 'config' ...) that belongs to this package.

    A checkout next to the running package is taken first (so that a developer's files win over
    an installed copy), then ``share/frm_perception`` of every sourced ROS workspace in the order
    of ``AMENT_PREFIX_PATH``, then of the Python environment.

    :raises FileNotFoundError: it is in none of these places; the message names them all.
    """
    places = _places(name)
    for place in places:
        if place.is_dir():
            return place
    searched = '\n  '.join(str(place) for place in places)
    raise FileNotFoundError(
        f'the folder {name!r} of {PACKAGE} is in none of these places:\n  {searched}\n'
        f'Source the workspace that {PACKAGE} is installed in, or give the folder yourself.')


def _places(name: str) -> list[Path]:
    checkout = Path(__file__).resolve().parents[2]
    prefixes = [entry for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
                if entry]
    places = [Path(prefix) / 'share' / PACKAGE / name for prefix in (*prefixes, sys.prefix)]
    # In an installation parents[2] is site-packages, where a folder 'models' may be anybody's.
    if (checkout / 'package.xml').is_file():
        places.insert(0, checkout / name)
    return places
