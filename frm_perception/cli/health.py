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
"""``frm health``: ask a running node whether it does its work."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from frm_perception.cli.arguments import node_name
from frm_perception.cli.arguments import positive


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'health', help='ask a running node whether it does its work',
        description='Status 0: the node is active and answers what comes (healthy), or does so '
                    'while something is not as it should be, such as a camera that is silent '
                    '(degraded). 1: it is not active, its engine fails or hangs, or nothing is '
                    'heard of it (unhealthy). 2: the options make no sense.')
    parser.add_argument('--node', type=node_name, default='/segmenter', metavar='NAME',
                        help='its full name (default: %(default)s)')
    parser.add_argument('--timeout', type=positive, default=10.0, metavar='S',
                        help='wait so long for its word (default: %(default)s)')
    parser.add_argument('--strict', action='store_true', help='status 1 for degraded, too')
    parser.add_argument('--json', action='store_true',
                        help='print verdict, problems and what the node said as JSON')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask; return the exit status that the help explains."""
    from frm_perception.ros.health import Verdict
    from frm_perception.ros.health import ask_health
    from frm_perception.ros.replay.participant import ReplayError
    try:
        health = ask_health(args.node, args.timeout)
    except ValueError as error:
        print(f'frm health: --node: {error}', file=sys.stderr)
        return 2
    except ReplayError as error:
        print(f'frm health: {error}', file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({'node': health.node, 'verdict': health.verdict.value,
                          'problems': health.problems, 'report': health.report}, indent=2))
    else:
        print('; '.join((f'{health.node} is {health.verdict.value}', *health.problems)))
    failed = (Verdict.UNHEALTHY, Verdict.DEGRADED) if args.strict else (Verdict.UNHEALTHY,)
    return 1 if health.verdict in failed else 0
