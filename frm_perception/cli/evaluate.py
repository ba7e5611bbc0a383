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
"""`frm evaluate`: measure a model on labelled images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from frm_perception.cli.label_arguments import add_label_arguments
from frm_perception.cli.label_arguments import chosen_comparison
from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle
from frm_perception.cli.model_arguments import engine_cache
from frm_perception.cli.model_arguments import load_segmenter


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'evaluate', help='measure a model on images whose labels are known',
        description='Prints how well the labels of a model agree with those of a data set, and '
                    'how long they take. Classes of different label spaces are compared by name, '
                    'as finely as both can tell. docs/evaluation.md defines every figure.')
    parser.add_argument('--images', type=Path, required=True, metavar='FOLDER',
                        help='the images; sub-folders are not looked into')
    parser.add_argument('--labels', type=Path, required=True, metavar='FOLDER',
                        help='their labels: PNGs with class ids, grey or palette of up to 8 bits, '
                             'of the same names and sizes')
    add_label_arguments(parser)
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='also write everything here, with where it comes from')
    add_model_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; 2 if the options or the data make no sense, 1 if it fails."""
    from frm_perception.evaluation.evaluate import evaluate
    from frm_perception.evaluation.evaluate import origin
    from frm_perception.evaluation.evaluate import report
    from frm_perception.evaluation.labelled_folder import labelled_folder
    from frm_perception.media.files import write_json
    from frm_perception.runtime.engines import EngineError
    try:
        if args.json:
            _require_writable(args.json)
        bundle = chosen_bundle(args)
        comparison, known, meaning = chosen_comparison(args, bundle.label_space)
        images = labelled_folder(args.images, args.labels, known, meaning,
                                 comparison.informative)
        segmenter = load_segmenter(bundle, args, engine_cache(args))
    except (ValueError, EngineError, OSError) as error:
        return _fail(error, 2)
    with segmenter:
        try:
            results = {**evaluate(segmenter, images, comparison),
                       **origin(bundle, segmenter, comparison), 'data': _data(args)}
            if args.json:
                write_json(args.json, results)
        except (ValueError, EngineError, OSError) as error:
            return _fail(error, 1)
    print(report(results))
    return 0


def _data(args: argparse.Namespace) -> dict[str, object]:
    return {'images': str(args.images), 'labels': str(args.labels),
            'label_space': None if args.drivable_ids else args.label_space,
            'drivable_ids': list(args.drivable_ids),
            'ignore_ids': list(args.ignore_ids)}


def _require_writable(file: Path) -> None:
    """Find out now, not after all the work."""
    from frm_perception.media.files import replacing
    if file.is_dir():
        raise ValueError(f'{file} is a folder; --json takes the name of a file')
    with replacing(file) as partial:
        partial.touch()
        partial.unlink()


def _fail(error: Exception, status: int) -> int:
    print(f'frm evaluate: {error}', file=sys.stderr)
    return status
