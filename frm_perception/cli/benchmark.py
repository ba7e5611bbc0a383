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
"""``frm benchmark``: measurements to repeat on one's own computer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'benchmark', help='measure how images travel between processes on this computer')
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    transport = kinds.add_parser(
        'transport', help='delivery rate and latency with and without the shared memory profile',
        description='Sends images from one process to another, with Fast DDS as it comes and '
                    'with config/fastdds_shm.xml, and prints what arrives and how late.')
    transport.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')
    transport.add_argument('--seconds', type=_positive, default=5.0, metavar='N',
                           help='length of each of the 8 runs (default: %(default)s)')
    transport.add_argument('--rate', type=_positive, default=20.0, metavar='HZ',
                           help='images a second (default: %(default)s)')
    transport.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and write the file; return the exit status."""
    from frm_perception.media.files import write_json
    from frm_perception.ros.children import ChildError
    from frm_perception.ros.transport_benchmark import combinations
    from frm_perception.ros.transport_benchmark import description
    from frm_perception.ros.transport_benchmark import measure
    from frm_perception.ros.transport_benchmark import table

    try:
        results = measure(args.seconds, args.rate, combinations())
        if args.json:
            write_json(args.json, results)
    except (ChildError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 1
    print(f'{description(results)}\n\n{table(results)}')
    return 0


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not more than 0')
    return value
