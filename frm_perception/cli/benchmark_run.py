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
"""What the benchmarks of this command have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Protocol

from frm_perception.cli.arguments import count


class Benchmark(Protocol):
    """A module that measures something, and says what it measured."""

    def description(self, results: dict[str, Any], /) -> str:
        """Return one line on where and how the results were measured."""

    def table(self, results: dict[str, Any], /) -> str:
        """Return the results as Markdown tables that are also readable on a terminal."""


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add where :func:`print_and_write` writes to."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')


def add_bundle_argument(parser: argparse.ArgumentParser) -> None:
    """Add the model, as :func:`frm_perception.cli.model_arguments.chosen_bundle` reads it."""
    parser.add_argument('--model', default='', metavar='FOLDER_OR_NAME',
                        help='a model bundle, or its name among the packaged ones')


def add_segmenter_arguments(parser: argparse.ArgumentParser, resolution: str, why: str) -> None:
    """
    Add a model and how it runs, each with a default that makes runs comparable.

    :param resolution: default of the network's input.
    :param why: what is said of it.
    """
    add_bundle_argument(parser)
    parser.add_argument('--precision', default='fp32', help='default: %(default)s')
    parser.add_argument('--provider', default='cpu', help='default: %(default)s')
    parser.add_argument('--resolution', default=resolution, metavar='HEIGHTxWIDTH',
                        help=f'{why} (default: %(default)s)')
    parser.add_argument('--threads', type=count, default=2, metavar='N',
                        help='default: %(default)s')


def print_and_write(measure: Callable[[], dict[str, Any]], benchmark: Benchmark,
                    file: Path | None) -> int:
    """
    Measure, print the tables and write the file; return the exit status.

    :param file: where the results go as JSON, too.
    """
    from frm_perception.media.files import write_json
    from frm_perception.runtime.engines import EngineError
    try:
        results = measure()
        print(f'{benchmark.description(results)}\n\n{benchmark.table(results)}')
        if file:
            write_json(file, results)
    except (ValueError, EngineError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0
