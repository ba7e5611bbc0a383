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
"""``frm benchmark bag``: what the evaluation of a bag costs beyond the network itself."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import image_size
from frm_perception.cli.benchmark_run import add_json_argument
from frm_perception.cli.benchmark_run import add_segmenter_arguments
from frm_perception.cli.benchmark_run import print_and_write
from frm_perception.cli.model_arguments import chosen_bundle


def add_parser(kinds: argparse._SubParsersAction[Any]) -> None:
    """Add the kind of benchmark and its options."""
    parser = kinds.add_parser(
        'bag', help='evaluation of a recorded drive beside the bare network',
        description='Evaluates a bag as frm bag evaluate does, and runs the bare network on as '
                    'many images, in turn, and prints what a frame takes and what the evaluation '
                    'adds.')
    parser.add_argument('bag', type=Path, nargs='?', metavar='BAG',
                        help='default: a rendered drive in JPEG')
    add_segmenter_arguments(parser, '512x1024', "of the network's input")
    parser.add_argument('--camera', type=image_size, default=(1080, 1920), metavar='HEIGHTxWIDTH',
                        help='size of the rendered images (default: 1080x1920)')
    parser.add_argument('--frames', type=count, default=120, metavar='N',
                        help='of the rendered drive (default: %(default)s)')
    parser.add_argument('--labels', action='store_true', help='render true labels as well')
    parser.add_argument('--rounds', type=count, default=5, metavar='N',
                        help='how often it is the turn of each (default: %(default)s)')
    add_json_argument(parser)
    parser.set_defaults(run=run, backbone='auto')


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and write the file; return the exit status."""
    from frm_perception.evaluation.drive import overhead
    from frm_perception.runtime.segmenter import Segmenter

    def measure() -> dict[str, Any]:
        segmenter = Segmenter.load(
            chosen_bundle(args), resolution=args.resolution, precision=args.precision,
            provider=args.provider, require_provider=True, threads=args.threads)
        with segmenter, _bag(args) as bag:
            return overhead.measure(bag, segmenter, args.rounds)

    return print_and_write(measure, overhead, args.json)


@contextmanager
def _bag(args: argparse.Namespace) -> Iterator[Path]:
    """Give the bag that was named, or a rendered one for as long as it is needed."""
    from frm_perception.media.make_bag import BagOptions
    from frm_perception.media.make_bag import make_bag
    from frm_perception.media.make_bag import rendered
    if args.bag is not None:
        yield args.bag
        return
    with tempfile.TemporaryDirectory(prefix='frm_perception-') as scratch:
        bag = Path(scratch) / 'drive'
        footage = rendered(0, args.camera, args.frames, None)
        if not args.labels:
            footage = replace(footage, space=None, frames=(
                replace(frame, labels=None) for frame in footage.frames))
        make_bag(bag, footage, BagOptions(compression='jpeg'))
        yield bag
