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
"""What a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

REINSTALL = ('install the package again: install.sh of its bundle, or "pip install -r '
             'requirements/run.txt" in a checkout')


class Level(Enum):
    """How bad a finding is, from nothing to see to the worst; the values stand in the JSON."""

    SKIPPED = 'skipped'
    """The check does not apply to this computer, or to what was asked for."""
    OK = 'ok'
    WARNING = 'warning'
    """The node runs, and would run better, or more safely, otherwise."""
    ERROR = 'error'
    """The node does not run, or does not run well, until this is mended."""


@dataclass(frozen=True)
class Finding:
    """
    What a check found.

    :param check: name of the check, which stays the same from version to version.
    :param found: what is the case, in words.
    :param source: where that was read.
    :param remedy: what to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    found: str
    source: str
    remedy: str = ''


def worst(findings: Sequence[Finding]) -> Level:
    """Return the worst level of any finding; OK where no check applied."""
    levels = {finding.level for finding in findings}
    return next((level for level in reversed(Level) if level in levels and
                 level is not Level.SKIPPED), Level.OK)
