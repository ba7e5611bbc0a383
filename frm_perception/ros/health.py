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
"""Whether a running node does its work, by what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rclpy.exceptions import InvalidTopicNameException

from frm_perception.ros.replay.node_reports import NodeReports
from frm_perception.ros.replay.participant import Participant


class Verdict(Enum):
    """How a node is."""

    HEALTHY = 'healthy'
    DEGRADED = 'degraded'
    """It answers what comes, and something is not as it should be: a camera is silent, say."""
    UNHEALTHY = 'unhealthy'
    """It does not do its work, or nothing is heard of it."""


@dataclass(frozen=True)
class Health:
    """
    How a node is, and why.

    :param problems: for people; none where it is healthy.
    :param report: what it said last, as docs/metrics.md has it; nothing where it said nothing.
    """

    node: str
    verdict: Verdict
    problems: tuple[str, ...]
    report: Mapping[str, Any]


def ask_health(node: str, timeout_s: float) -> Health:
    """
    Wait for the next report of a node and judge it.

    :param node: its full name, such as /segmenter.
    :param timeout_s: a node that says nothing for so many seconds is taken not to be there.
    :raises ReplayError: the node speaks another version of docs/metrics.md.
    :raises ValueError: there can be no node of that name.
    """
    with Participant('segmenter_health', with_images=False) as participant:
        try:
            reports = NodeReports(participant, node)
        except InvalidTopicNameException as error:
            raise ValueError(f'{node} can be no name of a node: {error}') from error
        if not participant.wait_for(lambda: reports.heard, timeout_s):
            return Health(node, Verdict.UNHEALTHY, (
                f'no word on {node}/metrics within {timeout_s:g} s: is the node running, in this '
                'ROS domain, and is that its name?',), {})
        return judge(reports.latest)


def judge(report: Mapping[str, Any]) -> Health:
    """Return how a node is that said this on `~/metrics`."""
    engine = report['engine']
    parts = {'engine': engine,
             **{f'camera {name}': camera for name, camera in report['cameras'].items()}}
    troubled = [f'{name}: {part["message"]}' for name, part in parts.items()
                if part['level'] != 'OK' or (part is engine and engine['state'] != 'active')]
    if engine['state'] != 'active' or any(part['level'] == 'ERROR' for part in parts.values()):
        verdict = Verdict.UNHEALTHY
    else:
        verdict = Verdict.DEGRADED if troubled else Verdict.HEALTHY
    return Health(report['node'], verdict, tuple(troubled), report)
