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
"""Which figures of a drive are wanted: what several commands have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from frm_perception.cli.arguments import positive
from frm_perception.cli.label_arguments import add_label_arguments
from frm_perception.cli.label_arguments import chosen_comparison

if TYPE_CHECKING:
    from frm_perception.evaluation.drive.evaluate_bags import Options
    from frm_perception.labels import LabelSpace


def add_drive_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add what :func:`drive_options` reads."""
    parser.add_argument('--labels-topic', metavar='NAME',
                        help='topic of true labels, with {camera} for the name of the camera '
                             "(default: {camera}/ground_truth/label where it is there; '' for "
                             'none)')
    add_label_arguments(parser)
    parser.add_argument('--tolerance', type=_milliseconds, default=5.0, metavar='MS',
                        help='most milliseconds between the stamps of an image and its labels '
                             '(default: %(default)s)')
    parser.add_argument('--segment', type=positive, default=10.0, metavar='SECONDS',
                        help='length of the parts of a drive that have figures of their own '
                             '(default: %(default)s)')


def drive_options(args: argparse.Namespace, model: LabelSpace, topics: tuple[str, ...]) -> Options:
    """
    Return what the arguments say.

    :param model: what the labels of the model mean.
    :param topics: of the images.
    :raises ValueError: no such label space, or one that has nothing in common with the model's.
    """
    from frm_perception.evaluation.drive.drive_camera import Choice
    from frm_perception.evaluation.drive.drive_camera import Truth
    from frm_perception.evaluation.drive.evaluate_bags import Options
    truth = None
    if args.label_space or args.drivable_ids:
        comparison, known, meaning = chosen_comparison(args, model)
        ids = ' '.join(map(str, (*args.drivable_ids, 'ignored', *args.ignore_ids)))
        truth = Truth(comparison, known, f'{meaning} {ids}')
    return Options(Choice(topics, args.labels_topic, truth), args.tolerance, args.segment)


def _milliseconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f'{text!r} is not within 0 to 1000000')
    return value
