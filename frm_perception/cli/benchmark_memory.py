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
"""``frm benchmark memory``: whether the segmenter keeps memory."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.model_arguments import chosen_bundle


def add_parser(kinds: argparse._SubParsersAction[Any]) -> None:
    """Add the kind of benchmark and its options."""
    parser = kinds.add_parser(
        'memory', help='memory over load/unload cycles and over frames',
        description='Loads and frees the segmenter again and again, then segments many frames, '
                    'and prints how much memory the process holds.')
    parser.add_argument('--model', default='', metavar='FOLDER_OR_NAME',
                        help='a model bundle, or its name among the packaged ones')
    parser.add_argument('--precision', default='fp32', help='default: %(default)s')
    parser.add_argument('--provider', default='cpu', help='default: %(default)s')
    parser.add_argument('--resolution', default='64x96', metavar='HEIGHTxWIDTH',
                        help='small, so that many frames take minutes (default: %(default)s)')
    parser.add_argument('--threads', type=count, default=2, metavar='N',
                        help='default: %(default)s')
    parser.add_argument('--cycles', type=count, default=50, metavar='N',
                        help='default: %(default)s')
    parser.add_argument('--frames', type=count, default=20_000, metavar='N',
                        help='default: %(default)s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')
    parser.set_defaults(run=run, backbone='auto')


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and write the file; return the exit status."""
    from frm_perception.evaluation.memory import description
    from frm_perception.evaluation.memory import measure
    from frm_perception.evaluation.memory import table
    from frm_perception.media.files import write_json
    from frm_perception.runtime.engines import EngineError

    try:
        results = measure(chosen_bundle(args), args.precision, args.provider, args.resolution,
                          args.threads, args.cycles, args.frames)
        print(f'{description(results)}\n\n{table(results)}')
        if args.json:
            write_json(args.json, results)
    except (ValueError, EngineError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0
