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
"""`frm bag extract`: images out of bags, to label, to train on and to calibrate with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import positive

if TYPE_CHECKING:
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.runtime.segmenter import Segmenter


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'extract', help='take frames out of bags: the worst of a run, or a calibration set',
        description='From the folder of a run of `frm bag evaluate`: the frames on which its '
                    'model is worst or least sure, as images/ and labels/ for `frm train`. With '
                    '--calibration, from bags: images that are evenly spread, for `frm quantize '
                    '--calibrate`. Status 0: all is there; 3: but for what could not be read; 2: '
                    'the options make no sense; 1: it failed.')
    parser.add_argument('sources', type=Path, nargs='+', metavar='RUN_OR_BAG',
                        help='the folder of a run, or with --calibration bags')
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='FOLDER',
                        help='where the images go; it must not be there yet')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a folder that this command made')
    worst = parser.add_argument_group('frames of a run')
    worst.add_argument('--most', type=count, default=50, metavar='N',
                       help='so many frames at most (default: %(default)s)')
    worst.add_argument('--by', default='', choices=('iou', 'confidence', 'stability', 'alarms'),
                       help='the figure in which they are worst (default: the first of these '
                            'that the run has)')
    worst.add_argument('--apart', type=positive, default=1.0, metavar='SECONDS',
                       help='time between two frames of a camera, at least: what is nearer shows '
                            'the same (default: %(default)s)')
    worst.add_argument('--draft', action='store_true',
                       help="also write the model's own labels, to correct them, into drafts/")
    worst.add_argument('--label-space', default='', metavar='NAME_OR_YAML',
                       help="what true labels mean (default: what the bag's legend says)")
    calibration = parser.add_argument_group('calibration set')
    calibration.add_argument('--calibration', type=count, metavar='N',
                             help='so many images, evenly spread over all bags and cameras')
    calibration.add_argument('--topic', action='append', default=[], metavar='NAME',
                             help='image topic; may be given several times (default: all cameras)')
    # Messages of what commands have in common begin with it.
    parser.set_defaults(run=run, command='bag extract')


def run(args: argparse.Namespace) -> int:
    """Extract; return the exit status that the help explains."""
    from frm_perception.media.files import MediaError
    from frm_perception.runtime.engines import EngineError
    try:
        damage = _calibration(args) if args.calibration else _worst(args)
    except (MediaError, EngineError, OSError) as error:
        return _fail(error, 1)
    except ValueError as error:
        return _fail(error, 2)
    for text in damage:
        print(f'frm bag extract: warning: {text}', file=sys.stderr)
    return 3 if damage else 0


def _calibration(args: argparse.Namespace) -> list[str]:
    from frm_perception.media.calibration_images import extract_calibration_images
    damage = extract_calibration_images(args.sources, args.output, args.calibration, args.topic,
                                        args.overwrite)
    print(f'{args.output} is ready: frm quantize ... --calibrate {args.output}')
    return damage


def _worst(args: argparse.Namespace) -> list[str]:
    from frm_perception.evaluation.drive.extract import Selection
    from frm_perception.evaluation.drive.extract import extract_frames
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.runtime.label_space_file import find_label_space
    if len(args.sources) > 1 or args.topic:
        raise ValueError('give the folder of one run without --topic, or bags with --calibration')
    run_folder = RunFolder(args.sources[0])
    truth = find_label_space(args.label_space) if args.label_space else None
    drafts = _load(run_folder, args) if args.draft else None
    counts, damage = extract_frames(
        run_folder, args.output, Selection(args.most, args.by, args.apart), truth, drafts,
        args.overwrite)
    print(f'{counts["images"]} frames are in {args.output}, {counts["labels"]} of them with true '
          f'labels')
    return damage


def _load(run_folder: RunFolder, args: argparse.Namespace) -> Segmenter:
    """
    Load the model of a run as it was there.

    :raises ValueError: it is not there any more, or another one.
    """
    from frm_perception.cli.model_arguments import load_segmenter
    from frm_perception.runtime.bundle import Bundle
    model = run_folder.read_report()['model']
    if model['file'] is None:
        raise ValueError(f'the model of {run_folder.path}, which a node ran, is not on this '
                         f'computer: leave --draft out')
    bundle = Bundle.load(Path(model['file']).parent)
    found = bundle.entry(model['precision']).sha256
    if found != model['sha256']:
        raise ValueError(f'{model["file"]} is not the model of {run_folder.path} any more')
    height, width = model['resolution']
    how = argparse.Namespace(
        command=args.command, resolution=f'{height}x{width}', precision=model['precision'],
        provider=model['provider_asked'], require_provider=False, threads=0, fit=model['fit'])
    return load_segmenter(bundle, how, None)


def _fail(error: Exception, status: int) -> int:
    print(f'frm bag extract: {error}', file=sys.stderr)
    return status
