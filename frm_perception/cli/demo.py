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
"""``frm demo``: a camera, the segmenter and a recorder, each a process, over real DDS."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from frm_perception.cli.arguments import image_size


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'demo', help='run camera, segmenter and recorder over ROS 2 and show what comes out',
        description='Publishes a rendered drive, a video or a bag as a camera would, lets the '
                    'ROS 2 node segment it, and writes a video, a contact sheet and summary.json. '
                    'The three processes have a ROS domain of their own, on this computer only.')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--video', type=Path, metavar='FILE', help='instead of the rendered drive')
    source.add_argument('--bag', type=Path, metavar='FOLDER', help='instead of the rendered drive')
    parser.add_argument('--topic', default='', metavar='NAME',
                        help='image topic of the bag (default: the first that can be read)')
    parser.add_argument('--output', type=Path, default=Path('out/demo'), metavar='FOLDER',
                        help='where the results go (default: %(default)s)')
    parser.add_argument('--frames', type=_count, default=120, metavar='N',
                        help='at most so many frames (default: %(default)s)')
    parser.add_argument('--rate', type=_rate, default=10.0, metavar='HZ',
                        help="the camera's frames a second (default: %(default)s)")
    parser.add_argument('--seed', type=int, default=10, metavar='N',
                        help='of the rendered drive (default: %(default)s)')
    parser.add_argument('--size', type=image_size, default=(540, 960), metavar='HEIGHTxWIDTH',
                        help='of the rendered drive (default: 540x960)')
    parser.add_argument('--model-dir', type=Path, metavar='FOLDER',
                        help='folder of models (default: the one that came with the package)')
    for name, default in (('backbone', 'auto'), ('resolution', 'auto'), ('precision', 'fp32'),
                          ('provider', 'auto')):
        parser.add_argument(f'--{name}', default=default, metavar='NAME',
                            help=f"the segmenter's parameter {name} (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo; return the exit status."""
    from frm_perception.ros.demo.run import DemoError
    from frm_perception.ros.demo.run import Options
    from frm_perception.ros.demo.run import run_demo

    if args.topic and not args.bag:
        print('frm demo: --topic needs a --bag that has the topic', file=sys.stderr)
        return 2
    recording = None
    if args.video:
        recording = 'video', args.video
    elif args.bag:
        recording = 'bag', args.bag
    options = Options(
        recording=recording, topic=args.topic, output=args.output, frames=args.frames,
        rate=args.rate, seed=args.seed, size=args.size, model_dir=args.model_dir,
        backbone=args.backbone, resolution=args.resolution, precision=args.precision,
        provider=args.provider)
    try:
        print(run_demo(options))
    except DemoError as error:
        print(f'frm demo: {error}', file=sys.stderr)
        return 1
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not at least 1')
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f'{text!r} is not within 1 to 1000')
    return value
