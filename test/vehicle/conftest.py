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
"""What the tests of bundles share: small wheels that stand for large ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The programs of install.sh import each other as they do in a bundle; odd bundles need no ROS.
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / 'vehicle'), str(ROOT),
                str(ROOT / 'test' / 'ros')]

from stand_ins import Bundles  # noqa: E402


@pytest.fixture(scope='module')
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Return what makes bundles of small wheels."""
    return Bundles(tmp_path_factory.mktemp('bundles'))
