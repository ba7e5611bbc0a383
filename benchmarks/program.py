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
"""What the programs have in common: options, interruption, the verdict and the JSON file."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from frm_perception.evaluation.record import ROS_PACKAGES
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import provenance
from frm_perception.media.files import write_json
from frm_perception.ros.children import ChildError

_PACKAGES = (*ROS_PACKAGES, 'onnxruntime', 'numpy', 'opencv-python-headless', 'numba')


@dataclass(frozen=True)
class Demand:
    """
    What has to hold.

    :param what: the demand, in words.
    :param found: what was found, in words.
    :param holds: whether it is met.
    """

    what: str
    found: str
    holds: bool


def option_parser(name: str, text: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every program has."""
    parser = argparse.ArgumentParser(
        prog=f'python -m benchmarks.{name}', description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')
    return parser


def conclude(name: str, measure: Callable[[], tuple[dict[str, Any], list[Demand]]],
             table: Callable[[dict[str, Any]], str], json: Path | None) -> int:
    """
    Measure, print the table and the verdict, write the file.

    Ctrl-C and SIGTERM end the measurement, and the processes that it started, in order.

    :param measure: returns the results and what was demanded of them.
    :return: the exit status: 0 where every demand holds, 1 where one does not or the measurement
        could not be ended, 130 after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job has none
    origin = provenance(_PACKAGES)
    try:
        measured, demands = measure()
    except KeyboardInterrupt:
        print(f'\n{name}: interrupted; nothing is written', file=sys.stderr)
        return 130
    except (AssertionError, ChildError, OSError, subprocess.TimeoutExpired) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    results = {'benchmark': name, **origin, **measured,
               'demands': [asdict(demand) for demand in demands]}
    print(f'\n{table(results)}\n\n{verdict_table(demands)}\n\n{name} {origin_text(results)}')
    if json:
        write_json(json, results)
    failed = [demand for demand in demands if not demand.holds]
    for demand in failed:
        print(f'{name}: does not hold: {demand.what}: {demand.found}', file=sys.stderr)
    return 1 if failed else 0


def verdict_table(demands: Sequence[Demand]) -> str:
    """Return the demands as a Markdown table that is also readable on a terminal."""
    return markdown_table([
        ['demand', 'found', 'holds'],
        *([demand.what, demand.found, 'yes' if demand.holds else 'NO'] for demand in demands)])


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
