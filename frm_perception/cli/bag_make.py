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
"""`frm bag make`: a bag out of labelled images, a video or a rendered drive."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive

if TYPE_CHECKING:
    from frm_perception.media.make_bag import Footage

_FRAMES = 150
_SIZE = (540, 960)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'make', help='make a bag of labelled images, a video or a rendered drive',
        description='Writes a ROS 2 bag with the images of a camera, its camera_info and, where '
                    'they are known, true labels; docs/bags.md describes the topics.')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('source', type=Path, nargs='?', metavar='SOURCE',
                        help='an image, a folder of images, or a video')
    source.add_argument('--drive', type=int, metavar='SEED',
                        help='render a drive, with exact labels and its camera; its seed, 0 or '
                             'more, decides all that is seen')
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='BAG',
                        help='the folder that is to be the bag')
    parser.add_argument('--overwrite', action='store_true', help='replace a bag that is there')
    parser.add_argument('--storage', default='mcap', choices=('sqlite3', 'mcap'),
                        help='(default: %(default)s)')
    parser.add_argument('--camera', default='camera', metavar='NAME',
                        help='name of the camera, before those of its topics (default: '
                             '%(default)s)')
    parser.add_argument('--compressed', default='', choices=('jpeg', 'png'), metavar='FORMAT',
                        help='jpeg or png instead of raw images')
    parser.add_argument('--rate', type=positive, metavar='HZ',
                        help="frames a second (default: the video's own, else 10)")
    parser.add_argument('--frames', type=count, metavar='N',
                        help=f'at most so many frames (default: all; of a drive {_FRAMES})')
    parser.add_argument('--size', type=image_size, default=_SIZE, metavar='HEIGHTxWIDTH',
                        help='of the rendered drive (default: 540x960)')
    labels = parser.add_argument_group('true labels of a folder of images')
    labels.add_argument('--labels', type=Path, metavar='FOLDER',
                        help='PNGs of the same names, with class ids')
    labels.add_argument('--label-space', default='', metavar='NAME_OR_YAML',
                        help='what the ids mean: camvid, cityscapes, bdd100k, or a YAML file, see '
                             'docs/evaluation.md')
    camera = parser.add_argument_group(
        'camera_info', "Without either, a rendered drive has its camera's, all else none."
    ).add_mutually_exclusive_group()
    camera.add_argument('--camera-info', type=Path, metavar='YAML',
                        help='as camera_calibration writes it')
    camera.add_argument('--fov', type=_degrees, metavar='DEGREES',
                        help='of a camera without distortion: what its image shows from left to '
                             'right')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the bag; 0 if it is there, 1 if something cannot be read or written, 2 if misused."""
    from frm_perception.media.camera_model import read_calibration
    from frm_perception.media.files import MediaError
    from frm_perception.media.make_bag import BagOptions
    from frm_perception.media.make_bag import make_bag
    try:
        options = BagOptions(
            storage=args.storage, camera=args.camera, compression=args.compressed,
            model=read_calibration(args.camera_info) if args.camera_info else None, view=args.fov,
            most=args.frames, overwrite=args.overwrite)
        camera = make_bag(args.output, _footage(args), options)
    except (MediaError, OSError) as error:
        return _fail(error, 1)
    except ValueError as error:
        return _fail(error, 2)
    if camera.model is None:
        print('frm bag make: the bag has no camera_info: give --camera-info or --fov for one',
              file=sys.stderr)
    print(f'{args.output} is ready')
    return 0


def _footage(args: argparse.Namespace) -> Footage:
    """
    Open what becomes a bag.

    :raises ValueError: it cannot be read, or the options contradict each other.
    """
    from frm_perception.evaluation.labelled_folder import labelled_folder
    from frm_perception.media.make_bag import labelled
    from frm_perception.media.make_bag import rendered
    from frm_perception.media.make_bag import unlabelled
    from frm_perception.runtime.label_space_file import find_label_space
    if bool(args.labels) != bool(args.label_space):
        raise ValueError('--labels and --label-space need each other')
    if args.drive is not None:
        if args.labels:
            raise ValueError('a rendered drive has labels of its own: leave --labels out')
        return rendered(args.drive, args.size, args.frames or _FRAMES, args.rate)
    if not args.labels:
        return unlabelled(args.source, args.rate)
    space = find_label_space(args.label_space)
    known = space.known_ids()
    images = labelled_folder(args.source, args.labels, known, f'label space {space.name!r}', known)
    return labelled(images, space, args.rate)


def _degrees(text: str) -> float:
    value = float(text)
    if not 0 < value < 180:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 180')
    return value


def _fail(error: Exception, status: int) -> int:
    print(f'frm bag make: {error}', file=sys.stderr)
    return status
