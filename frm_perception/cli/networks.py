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
"""``frm networks``: the networks one can train, and what they cost."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from frm_perception.cli.arguments import image_size


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'networks', help='list the networks and what they cost',
        description='Counts the parameters and multiply-adds of networks with 19 classes. '
                    'Multiply-adds (GMAC: 1e9 of them) are those of convolutions and linear '
                    "layers; attention's matrix products stand apart, because published figures "
                    'leave them out.')
    parser.add_argument(
        'names', nargs='*', metavar='NAME',
        help='a network, or any HEAD-BACKBONE such as frm-light-van-b1 (default: all that have '
             'a name of their own)')
    parser.add_argument('--size', type=image_size, action='append', metavar='HEIGHTxWIDTH',
                        help='of the images; may be given several times (default: 512x1024 and '
                             '1024x2048)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table and the parts that names are made of; return the exit status."""
    from frm_perception.evaluation.record import markdown_table
    from frm_perception.networks import BACKBONES
    from frm_perception.networks import HEADS
    from frm_perception.networks import NETWORKS
    from frm_perception.networks.comparison import SIZES
    from frm_perception.networks.comparison import comparison

    try:
        print(markdown_table(comparison(args.names or NETWORKS, args.size or SIZES)))
    except ValueError as error:
        print(f'frm networks: {error}', file=sys.stderr)
        return 2
    if not args.names:
        print(f'\nAny HEAD-BACKBONE can be built, too.\nHeads: {", ".join(HEADS)}\n'
              f'Backbones: {", ".join(BACKBONES)}')
    return 0
