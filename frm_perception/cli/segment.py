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
"""`frm segment`: label images and videos, without ROS."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle
from frm_perception.cli.model_arguments import engine_cache
from frm_perception.cli.model_arguments import load_segmenter

if TYPE_CHECKING:
    from frm_perception.media.segment_files import SegmentFiles


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'segment', help='label images, folders of images, videos and ROS bags',
        description='For an image, writes its labels (<name>_label.png, class ids), drivable area '
                    '(<name>_drivable.png, 0 or 255) and a picture of both (<name>_overlay.jpg); '
                    'for a video or bag, <name>_overlay.webm; for all, summary.json.')
    parser.add_argument('inputs', type=Path, nargs='+', metavar='INPUT',
                        help='an image, a folder of images, a video, or a ROS bag')
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='FOLDER',
                        help='where results go; it is made if need be')
    add_model_arguments(parser)
    _add_rules(parser)
    parser.add_argument('--topic', default='', metavar='NAME',
                        help='image topic of a bag (default: the first that can be read)')
    parser.add_argument('--save-labels', action='store_true',
                        help="for videos and bags, also write each frame's labels and drivable "
                             'area as PNG files, in <name>_label/ and <name>_drivable/')
    parser.set_defaults(run=run)


def _add_rules(parser: argparse.ArgumentParser) -> None:
    rules = parser.add_argument_group(
        'drivable area', 'What it takes for a pixel of a drivable class to be drivable; docs/'
                         'frame.md explains the rules. As it comes, nothing more.')
    rules.add_argument('--min-confidence', type=float, default=0.0, metavar='SHARE',
                       help='lowest softmax probability of its class, 0 to 1')
    rules.add_argument('--min-area', type=float, default=0.0, metavar='SHARE',
                       help="smallest connected area, as a share of the image's pixels")
    rules.add_argument('--foot', type=float, default=0.0, metavar='SHARE',
                       help='its area reaches the middle half of a strip at the lower border, '
                            'which is this share of the image high')
    rules.add_argument('--appear-frames', type=int, default=1, metavar='N',
                       help='in videos and bags, after N frames in succession that say so')
    rules.add_argument('--vanish-frames', type=int, default=1, metavar='N',
                       help='and until N frames in succession say that it is not')


def run(args: argparse.Namespace) -> int:
    """Label everything; 0 if all could be read, 1 if not, 2 if the options make no sense."""
    from frm_perception.media.files import MediaError
    from frm_perception.media.segment_files import SegmentFiles
    from frm_perception.runtime.drivable import DrivableRules
    from frm_perception.runtime.engines import EngineError
    try:
        rules = DrivableRules(
            min_confidence=args.min_confidence, min_area=args.min_area, foot=args.foot,
            appear_frames=args.appear_frames, vanish_frames=args.vanish_frames)
        segmenter = load_segmenter(chosen_bundle(args), args, engine_cache(args))
    except (ValueError, EngineError, FileNotFoundError) as error:
        return _fail(error, 2)
    with segmenter:
        try:
            work = SegmentFiles(segmenter, args.output, args.topic, args.save_labels, rules)
            work.process(args.inputs)
        except (MediaError, EngineError, OSError) as error:
            return _fail(error, 1)
    return _report(work, args.output)


def _fail(error: Exception, status: int) -> int:
    print(f'frm segment: {error}', file=sys.stderr)
    return status


def _report(work: SegmentFiles, output: Path) -> int:
    for reason in work.unreadable.values():
        print(f'frm segment: {reason}', file=sys.stderr)
    if not work.frames:
        print('frm segment: nothing could be labelled', file=sys.stderr)
        return 1
    info = work.segmenter.info
    total = work.milliseconds()['total']
    print(f'{work.frames} frames labelled by {info.bundle} at {info.resolution[0]}x'
          f'{info.resolution[1]} ({info.precision}, {info.provider}): {total["p50"]} ms a frame, '
          f'95 % within {total["p95"]} ms. Results are in {output}')
    return 1 if work.unreadable else 0
