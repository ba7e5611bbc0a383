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
import shlex
import sys
from pathlib import Path

from frm_perception.cli.arguments import image_size


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'export', help='make a model bundle of a checkpoint, and measure it on held-out images',
        description='Writes ONNX files, manifest and model card (README.md), measured on the '
                    'images that the run held out, and a picture of the worst of them. With the '
                    'photographs, that picture also comes to lie beside the checkpoint.')
    parser.add_argument('checkpoint', type=Path,
                        help='e.g. runs/frm-light-mobilenetv2/checkpoint.pt')
    parser.add_argument('-o', '--output', type=Path,
                        help='folder of the bundle, e.g. models/frm-light-mobilenetv2; a bundle '
                             'that is there is replaced (default: beside the checkpoint, with the '
                             "run's name)")
    parser.add_argument('--validated-by', type=Path, nargs='+', default=[], metavar='CHECKPOINT',
                        help='runs of the same recipe that held sequences out, for the figures of '
                             'a network that learned from all data there is')
    parser.add_argument('--default-size', type=image_size, metavar='HEIGHTxWIDTH',
                        help='the size that the model takes unless told otherwise, and at which '
                             'it is measured (default: 384x640)')
    parser.add_argument('--size', type=image_size, metavar='HEIGHTxWIDTH',
                        help='the only size the model is to take, which lets runtimes plan ahead '
                             '(default: any size that fits the network)')
    parser.add_argument('--fp16', action='store_true',
                        help='also write the model in half precision, for GPUs')
    parser.add_argument('--labels', type=Path, metavar='FILE',
                        help='also write an ONNX file that gives uint8 labels of the size of its '
                             'input in place of logits, for other programs than this; in half '
                             'precision with --fp16')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, measure, and write the bundle."""
    from frm_perception.deploy.failures import percent
    from frm_perception.deploy.label_head import write_labels
    from frm_perception.deploy.write_bundle import write_bundle
    from frm_perception.runtime.engines import EngineError
    run_folder = args.checkpoint.resolve().parent
    args.output = args.output or run_folder / run_folder.name
    try:
        manifest = write_bundle(
            args.checkpoint, args.output, _command(args), size=args.size,
            default_size=args.default_size, half=args.fp16, validated_by=args.validated_by)
        if args.labels:
            write_labels(args.output, 'fp16' if args.fp16 else 'fp32', args.labels)
    except (OSError, ValueError, EngineError) as error:
        print(f'frm export: {error}', file=sys.stderr)
        return 2
    measured = [(f'{args.output}, {precision}', entry['accuracy'])
                for precision, entry in manifest['precisions'].items()]
    measured += [(f'not this file, but {other["checkpoint"]}', other['accuracy'])
                 for other in manifest['training']['validation']]
    for name, accuracy in measured:
        if 'images' in accuracy:
            print(f'{name}: mean IoU {percent(accuracy["mean_iou"])}, drivable IoU '
                  f'{percent(accuracy["drivable_iou"])} on {accuracy["images"]} held-out images')
    if not any('images' in accuracy for _, accuracy in measured):
        print(f'frm export: warning: {args.checkpoint} held nothing out, so the card of '
              f'{args.output} has no figures; give runs of the same recipe that did with '
              '--validated-by', file=sys.stderr)
    print(f'exported: {args.output}' + (f' and {args.labels}' if args.labels else ''))
    return 0


def _command(args: argparse.Namespace) -> str:
    words = ['frm', 'export', str(args.checkpoint), '-o', str(args.output)]
    if args.validated_by:
        words += ['--validated-by', *map(str, args.validated_by)]
    for option, size in (('--default-size', args.default_size), ('--size', args.size)):
        if size:
            words += [option, f'{size[0]}x{size[1]}']
    if args.fp16:
        words.append('--fp16')
    if args.labels:
        words += ['--labels', str(args.labels)]
    return shlex.join(words)
