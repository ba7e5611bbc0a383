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

if TYPE_CHECKING:
    from frm_perception.media.segment_files import SegmentFiles
    from frm_perception.runtime.bundle import Bundle


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
    parser.add_argument('--model', default='', metavar='FOLDER_OR_NAME',
                        help='a model bundle, or its name among the packaged ones')
    parser.add_argument('--backbone', default='auto',
                        help='take the packaged model with this backbone (default: %(default)s)')
    parser.add_argument('--resolution', default='auto', metavar='HEIGHTxWIDTH',
                        help="the network's input, e.g. 384x640 (default: the model's own)")
    parser.add_argument('--precision', default='fp32', help='default: %(default)s')
    parser.add_argument('--provider', default='auto',
                        help='auto, cpu, cuda or tensorrt (default: %(default)s)')
    parser.add_argument('--require-provider', action='store_true',
                        help='fail, rather than warn, where the provider does not do the work')
    parser.add_argument('--threads', type=int, default=0, metavar='N',
                        help='threads of the network; 0 is one for each core (default)')
    parser.add_argument('--topic', default='', metavar='NAME',
                        help='image topic of a bag (default: the first that can be read)')
    parser.add_argument('--save-labels', action='store_true',
                        help="for videos and bags, also write each frame's labels and drivable "
                             'area as PNG files, in <name>_label/ and <name>_drivable/')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Label everything; 0 if all could be read, 1 if not, 2 if the options make no sense."""
    from frm_perception.media.files import MediaError
    from frm_perception.media.segment_files import SegmentFiles
    from frm_perception.runtime.engine import EngineError
    from frm_perception.runtime.segmenter import Segmenter
    try:
        segmenter = Segmenter.load(
            _bundle(args), resolution=args.resolution, precision=args.precision,
            provider=args.provider, require_provider=args.require_provider, threads=args.threads)
    except (ValueError, EngineError, FileNotFoundError) as error:
        return _fail(error, 2)
    with segmenter:
        if segmenter.info.fallback:
            print(f'frm segment: warning: {segmenter.info.fallback}', file=sys.stderr)
        if segmenter.info.note:
            print(f'frm segment: {segmenter.info.note}', file=sys.stderr)
        try:
            work = SegmentFiles(segmenter, args.output, args.topic, args.save_labels)
            work.process(args.inputs)
        except (MediaError, EngineError, OSError) as error:
            return _fail(error, 1)
    return _report(work, args.output)


def _bundle(args: argparse.Namespace) -> Bundle:
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.bundle import BundleError
    from frm_perception.runtime.bundle import find_bundle
    from frm_perception.runtime.share import share_folder
    if not args.model:
        return find_bundle(share_folder('models'), args.backbone, args.precision)
    if args.backbone != 'auto':
        raise BundleError('give --model or --backbone, not both')
    named = Path(args.model)
    if named.is_dir() or named.name != args.model:
        return Bundle.load(named)
    models = share_folder('models')
    if (models / named).is_dir():
        return Bundle.load(models / named)
    there = ', '.join(sorted(file.parent.name for file in models.glob('*/model.yaml')))
    raise BundleError(f'no model {args.model!r}: it is neither a folder nor one of those in '
                      f'{models}: {there or "none"}')


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
