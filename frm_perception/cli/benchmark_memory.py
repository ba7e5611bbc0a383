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
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.benchmark_run import add_json_argument
from frm_perception.cli.benchmark_run import add_segmenter_arguments
from frm_perception.cli.benchmark_run import print_and_write
from frm_perception.cli.model_arguments import chosen_bundle


def add_parser(kinds: argparse._SubParsersAction[Any]) -> None:
    """Add the kind of benchmark and its options."""
    parser = kinds.add_parser(
        'memory', help='memory over load/unload cycles and over frames',
        description='Loads and frees the segmenter again and again, then segments many frames, '
                    'and prints how much memory the process holds.')
    add_segmenter_arguments(parser, '64x96', 'small, so that many frames take minutes')
    parser.add_argument('--cycles', type=count, default=50, metavar='N',
                        help='default: %(default)s')
    parser.add_argument('--frames', type=count, default=20_000, metavar='N',
                        help='default: %(default)s')
    add_json_argument(parser)
    parser.set_defaults(run=run, backbone='auto')


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and write the file; return the exit status."""
    from frm_perception.evaluation import memory
    return print_and_write(
        lambda: memory.measure(chosen_bundle(args), args.precision, args.provider,
                               args.resolution, args.threads, args.cycles, args.frames),
        memory, args.json)
