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
"""``frm benchmark frame``: what a camera frame costs, from its pixels to labels and mask."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive
from frm_perception.cli.benchmark_run import add_bundle_argument
from frm_perception.cli.benchmark_run import add_json_argument
from frm_perception.cli.benchmark_run import print_and_write
from frm_perception.cli.model_arguments import chosen_bundle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IMAGES = 20


def add_parser(kinds: argparse._SubParsersAction[Any]) -> None:
    """Add the kind of benchmark and its options."""
    parser = kinds.add_parser(
        'frame', help='a camera frame from pixels to mask: engines, precisions and sizes',
        description='Times the segmenter beside the bare runtime and the naive way, in turn, and '
                    'prints each stage, and how many labels a precision shares with fp32.')
    add_bundle_argument(parser)
    parser.add_argument('--providers', nargs='+',
                        choices=('cpu', 'openvino', 'cuda', 'tensorrt', 'torch'),
                        default=['cpu', 'openvino'], help='default: cpu openvino')
    parser.add_argument('--precisions', nargs='+', default=[], metavar='NAME',
                        help='default: all that the bundle has')
    parser.add_argument('--sizes', nargs='+', type=image_size, default=[(512, 1024)],
                        metavar='HEIGHTxWIDTH', help="of the network's input (default: 512x1024)")
    parser.add_argument('--input', type=Path, metavar='FILE',
                        help="the camera's images: a folder, a video or a bag (default: rendered)")
    parser.add_argument('--camera', type=image_size, default=(1080, 1920), metavar='HEIGHTxWIDTH',
                        help='size of the rendered images (default: 1080x1920)')
    parser.add_argument('--threads', type=count, default=2, metavar='N',
                        help='of each engine (default: %(default)s)')
    parser.add_argument('--rounds', type=count, default=3, metavar='N',
                        help='how often it is the turn of each (default: %(default)s)')
    parser.add_argument('--seconds', type=positive, default=2.0, metavar='N',
                        help='least length of a turn (default: %(default)s)')
    parser.add_argument('--peers', type=Path, metavar='FOLDER',
                        help='also time the two public networks whose files are in this folder')
    add_json_argument(parser)
    parser.set_defaults(run=run, backbone='auto', precision='fp32')


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables and write the file; return the exit status."""
    from frm_perception.deploy import frame_speed
    from frm_perception.evaluation.variant import variants

    def measure() -> dict[str, Any]:
        chosen = variants(chosen_bundle(args), args.providers, args.precisions, args.sizes,
                          args.threads)
        return frame_speed.measure(chosen, _images(args), args.rounds, args.seconds, args.peers)

    return print_and_write(measure, frame_speed, args.json)


def _images(args: argparse.Namespace) -> list[NDArray[np.uint8]]:
    """
    Return a few images of one size.

    :raises ValueError: they cannot be read, or their sizes differ.
    """
    from frm_perception.media.frames import read_frames
    from frm_perception.media.frames import spread
    from frm_perception.scenes import RenderedDrive
    if args.input is None:
        height, width = args.camera
        drive = RenderedDrive(0, height, width, _IMAGES)
        return [drive[index].image for index in range(_IMAGES)]
    images = [frame.image for frame in spread(read_frames(args.input), _IMAGES)]
    if len({image.shape for image in images}) != 1:
        raise ValueError(f'{args.input}: its images are not of one size')
    return images
