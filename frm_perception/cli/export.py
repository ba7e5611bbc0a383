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
"""`frm export`: make a model bundle of a training checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frm_perception.cli.arguments import image_size


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'export', help='make a model bundle of a checkpoint, and measure it on held-out images')
    parser.add_argument('checkpoint', type=Path, help='e.g. runs/frm-mobilenetv2/checkpoint.pt')
    parser.add_argument('-o', '--output', type=Path, required=True,
                        help='folder of the bundle, e.g. models/frm-mobilenetv2')
    parser.add_argument('--size', type=image_size, metavar='HEIGHTxWIDTH',
                        help='the only size the model is to take, which lets runtimes plan ahead '
                             '(default: any size that fits the network)')
    parser.add_argument('--fp16', action='store_true',
                        help='also write the model in half precision, for GPUs')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, measure, and write the bundle."""
    from frm_perception.deploy.write_bundle import write_bundle
    command = f'frm export {args.checkpoint} -o {args.output}'
    if args.size:
        command += f' --size {args.size[0]}x{args.size[1]}'
    if args.fp16:
        command += ' --fp16'
    try:
        accuracies = write_bundle(args.checkpoint, args.output, command, args.size, args.fp16)
    except ValueError as error:
        print(f'frm export: {error}', file=sys.stderr)
        return 2
    for precision, accuracy in accuracies.items():
        print(f'{args.output}, {precision}: mean IoU {accuracy["mean_iou"]:.1%}, drivable IoU '
              f'{accuracy["drivable_iou"]:.1%} on {accuracy["images"]} held-out images')
    return 0
