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
"""`frm quantize`: one more precision for a model bundle, if it is accurate enough."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.label_arguments import add_label_arguments
from frm_perception.cli.label_arguments import chosen_comparison

if TYPE_CHECKING:
    from frm_perception.deploy.accuracy_gate import GateImages
    from frm_perception.deploy.accuracy_gate import Limits
    from frm_perception.deploy.add_precision import CalibrationImages
    from frm_perception.media.frames import FrameSource


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'quantize', help='add a precision to a model bundle, if it passes the accuracy gate',
        description='Makes the model of a bundle in another precision, compares its labels with '
                    'those of fp32, and puts it into the bundle with the figures if they stay '
                    'within the limits. docs/precisions.md says what each precision is for.')
    parser.add_argument('bundle', type=Path, help='e.g. models/frm-light-mobilenetv2')
    parser.add_argument('--precision', required=True,
                        choices=('fp16', 'bf16', 'int8', 'int8-tensorrt'))
    parser.add_argument('--calibrate', type=Path, metavar='SOURCE',
                        help='for 8 bits: images like those that the model is to see, a folder, a '
                             'video or a ROS bag; 64 of them are used, evenly spread')
    parser.add_argument('--images', type=Path, required=True, metavar='SOURCE',
                        help='other images, to compare with fp32 on: a folder; or, without '
                             'labels, a video or a ROS bag (200 images, evenly spread)')
    parser.add_argument('--topic', default='', metavar='NAME',
                        help='image topic of bags (default: the first that can be read)')
    parser.add_argument('--labels', type=Path, metavar='FOLDER',
                        help='labels of the images, as for `frm evaluate`: without them only the '
                             'agreement with fp32 is measured')
    add_label_arguments(parser)
    for option, what in (('--min-agreement', 'least %% of pixels that keep the label of fp32'),
                         ('--max-miou-loss', 'most points of mean IoU lost, by --labels'),
                         ('--max-drivable-loss', 'most points of drivable IoU lost, by --labels')):
        parser.add_argument(option, type=_percent, metavar='X',
                            help=f'{what} (default: by precision, see docs/precisions.md)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make, measure and add; 1 if the gate refuses it, 2 if the arguments or the data are bad."""
    from frm_perception.deploy.accuracy_gate import GateError
    from frm_perception.deploy.add_precision import add_precision
    from frm_perception.runtime.engines import EngineError
    try:
        calibration = _calibration(args)
        accuracy = add_precision(args.bundle, args.precision, _gate_images(args), _limits(args),
                                 calibration)
    except GateError as error:
        return _fail(error, 1)
    except (ValueError, EngineError, OSError) as error:
        return _fail(error, 2)
    _report(args, accuracy)
    return 0


def _calibration(args: argparse.Namespace) -> CalibrationImages | None:
    """
    Open what to calibrate with.

    :raises ValueError: it is missing, superfluous, or measured on, too.
    """
    from frm_perception.deploy.add_precision import CalibrationImages
    if not args.precision.startswith('int8'):
        if args.calibrate:
            raise ValueError(f'{args.precision} needs no calibration: leave --calibrate out')
        return None
    if not args.calibrate:
        raise ValueError(f'{args.precision} needs images to calibrate with: give --calibrate, a '
                         f'folder, a video or a ROS bag')
    both = sorted(_files(args.calibrate) & _files(args.images))
    if both:
        others = f' and {len(both) - 1} more' if len(both) > 1 else ''
        raise ValueError(f'--calibrate {args.calibrate} and --images {args.images} have '
                         f'{both[0]}{others} in common: what was calibrated on says too little of '
                         f'other images')
    return CalibrationImages(str(args.calibrate), _frames(args.calibrate, args.topic))


def _files(source: Path) -> set[Path]:
    """
    Return the files that images are read from, wherever links to them lie.

    :raises MediaError: a folder holds none.
    """
    from frm_perception.media.bag_storage import is_bag
    from frm_perception.media.frames import list_images
    if not source.is_dir():
        return {source.resolve()}
    files = source.iterdir() if is_bag(source) else list_images(source)
    return {file.resolve() for file in files}


def _gate_images(args: argparse.Namespace) -> GateImages:
    from frm_perception.deploy.accuracy_gate import GateImages
    from frm_perception.evaluation.labelled_folder import labelled_folder
    from frm_perception.runtime.bundle import Bundle
    if args.labels is None:
        if args.label_space or args.drivable_ids:
            raise ValueError('--label-space and --drivable-ids say what --labels mean: give them, '
                             'too')
        return GateImages.unlabelled(_frames(args.images, args.topic), str(args.images))
    comparison, known, meaning = chosen_comparison(args, Bundle.load(args.bundle).label_space)
    items = labelled_folder(args.images, args.labels, known, meaning, comparison.informative)
    return GateImages.labelled(items, comparison, f'{args.images}, labelled')


def _frames(source: Path, topic: str) -> FrameSource:
    from frm_perception.media.bag_storage import is_bag
    from frm_perception.media.frames import read_frames
    return read_frames(source, topic if is_bag(source) else '')


def _limits(args: argparse.Namespace) -> Limits:
    """Return the usual limits but for those that were given; losses among these are demanded."""
    from frm_perception.deploy.accuracy_gate import DEFAULT_LIMITS
    usual = DEFAULT_LIMITS[args.precision]
    losses = {'mean_iou': args.max_miou_loss, 'drivable_iou': args.max_drivable_loss}
    demanded = {key: loss for key, loss in losses.items() if loss is not None}
    agreement = usual.agreement if args.min_agreement is None else args.min_agreement
    return replace(usual, agreement=agreement, demanded=tuple(demanded),
                   **{f'{key}_loss': loss for key, loss in demanded.items()})


def _report(args: argparse.Namespace, accuracy: dict[str, Any]) -> None:
    from frm_perception.deploy.accuracy_gate import words
    print(f'{args.bundle} has {args.precision} now: {words(accuracy["gate"])}. That is what the '
          f'precision costs, not how good the model is: it may have learned from these images.')
    if 'in_higher_precision' in accuracy:
        print(f'left in 32 bits: {", ".join(accuracy["in_higher_precision"]) or "no layer"}')


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f'{text!r} is not between 0 and 100')
    return value / 100


def _fail(error: Exception, status: int) -> int:
    print(f'frm quantize: {error}', file=sys.stderr)
    return status
