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
"""What the labels of a data set mean: what several commands have in common."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from frm_perception.evaluation.comparison import Comparison
    from frm_perception.labels import LabelSpace

_IGNORED = 255


def add_label_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add what :func:`chosen_comparison` reads."""
    parser.add_argument('--label-space', default='', metavar='NAME_OR_YAML',
                        help='what the ids mean: camvid, cityscapes, bdd100k, or a YAML file with '
                             'name, classes, drivable and, if need be, ignore')
    parser.add_argument('--drivable-ids', type=int, nargs='+', default=(), metavar='ID',
                        help='instead of a label space, for labels that only tell what is '
                             'drivable: these ids')
    parser.add_argument('--ignore-ids', type=int, nargs='+', default=(_IGNORED,), metavar='ID',
                        help='ids of pixels that do not count, beside those that the label space '
                             'names (default: 255)')


def chosen_comparison(args: argparse.Namespace, model: LabelSpace
                      ) -> tuple[Comparison, NDArray[np.bool_], str]:
    """
    Return how to compare, and what :func:`.labelled_folder` needs to know of the ids.

    :raises ValueError: no label space, or one that has nothing in common with the model's.
    """
    import numpy as np

    from frm_perception.evaluation.comparison import Comparison
    from frm_perception.runtime.label_space_file import find_label_space
    if args.drivable_ids:
        if args.label_space:
            print(f'frm {args.command}: warning: --label-space {args.label_space} is of no use '
                  f'with --drivable-ids, which say all that is to be known of the labels',
                  file=sys.stderr)
        return (Comparison.drivable_only(model, args.drivable_ids, args.ignore_ids),
                np.ones(256, np.bool_), '--drivable-ids')
    if not args.label_space:
        raise ValueError('give --label-space, or --drivable-ids where the labels only tell what '
                         'is drivable')
    space = find_label_space(args.label_space)
    space = replace(space, ignore=(*space.ignore, *args.ignore_ids))
    return (Comparison.between(model, space), space.known_ids(),
            f'label space {space.name!r}')
