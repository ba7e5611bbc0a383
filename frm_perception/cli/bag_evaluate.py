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
"""``frm bag evaluate``: what a model sees on recorded drives, frame by frame."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.drive_arguments import add_drive_arguments
from frm_perception.cli.drive_arguments import drive_options
from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle
from frm_perception.cli.model_arguments import engine_cache
from frm_perception.cli.model_arguments import load_segmenter

if TYPE_CHECKING:
    from frm_perception.evaluation.drive.cluster import ClusterScoring
    from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.segmenter import Segmenter

DAMAGED = 3
"""Exit status where everything that could be read was evaluated, but something could not."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'evaluate', help='measure a model on every frame of recorded drives',
        description='Labels every image of ROS bags and writes report.json, report.html and '
                    'report.md: IoU where the bag has true labels, and what needs none. The same '
                    'command goes on where it was interrupted. Status 0: all is done; 3: all that '
                    'can be read, but a bag is damaged; 2: the options make no sense; 1: it '
                    'failed. docs/bags.md defines every figure.')
    parser.add_argument('bags', type=Path, nargs='+', metavar='BAG',
                        help='a bag of ROS 2 or ROS 1: its folder, or a .mcap, .db3 or .bag file')
    parser.add_argument('-o', '--output', type=Path, metavar='RUN',
                        help="the run's folder (default: out/bags/<name of the first bag>)")
    parser.add_argument('--restart', action='store_true',
                        help='forget what an earlier run left in the folder')
    parser.add_argument('--topic', action='append', default=[], metavar='NAME',
                        help='image topic; may be given several times (default: all cameras)')
    add_drive_arguments(parser)
    parser.add_argument('--baseline', type=Path, metavar='RUN',
                        help='also show the difference to this earlier run of the same bags')
    add_model_arguments(parser)
    second = parser.add_argument_group(
        'second model', 'How far another model, or another precision of the same, agrees.')
    second.add_argument('--second', default='', metavar='FOLDER_OR_NAME',
                        help='its bundle (default: that of --model)')
    second.add_argument('--second-precision', default='', metavar='NAME',
                        help='its precision (default: that of --precision)')
    cluster = parser.add_argument_group(
        'several bags at once', 'Dask workers score them, a bag each; requirements/cluster.txt.')
    cluster.add_argument('--scheduler', type=_scheduler, metavar='WHERE',
                         help='local starts workers here; or the address of a Dask scheduler, '
                              'such as tls://HOST:8786, whose workers see bags and models at the '
                              'same paths (default: one bag after the other, in this process)')
    cluster.add_argument('--workers', type=count, metavar='N',
                         help='how many workers local starts, which share --threads (default: one '
                              'for each of these threads, at most one for each bag)')
    # Messages of what commands have in common begin with it.
    parser.set_defaults(run=run, command='bag evaluate')


def run(args: argparse.Namespace) -> int:
    """Evaluate, write and print; return the exit status that the help explains."""
    from frm_perception.evaluation.drive.drive_report import require_same_bags
    from frm_perception.evaluation.drive.drive_run import evaluate_drive
    from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
    from frm_perception.evaluation.drive.labeller import ModelLabeller
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.evaluation.drive.run_folder import RunFolderError
    from frm_perception.evaluation.report.write import write_reports
    from frm_perception.runtime.engines import EngineError
    try:
        baseline = RunFolder(args.baseline) if args.baseline else None
        bundle = chosen_bundle(args)
        options = drive_options(args, bundle.label_space, tuple(args.topic))
        segmenter = load_segmenter(bundle, args, engine_cache(args))
        second = _second(args, bundle)
        work = EvaluateBags(args.bags, ModelLabeller(segmenter, second), options)
        if baseline:
            require_same_bags(work.bags, baseline.read_report())
        if args.scheduler or args.workers:
            work.scoring = _cluster(args, work, segmenter, second)
        folder = RunFolder(args.output or Path('out/bags') / work.bags[0].name)
    except (ValueError, EngineError, OSError) as error:
        return _fail(error, 2)
    try:
        with folder.locked():
            report = evaluate_drive(work, folder, args.restart)
            comparison = write_reports(folder, baseline)
    except RunFolderError as error:
        return _fail(error, 2)
    except (ValueError, EngineError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        print(f'\nfrm bag evaluate: interrupted; the same command goes on from {folder.path}',
              file=sys.stderr)
        return 130
    return _tell(report, comparison, folder)


def _second(args: argparse.Namespace, bundle: Bundle) -> Segmenter | None:
    """Load the second model, on whatever provider computes its precision."""
    if not args.second and not args.second_precision:
        return None
    changed = {'provider': 'auto', 'precision': args.second_precision or args.precision}
    if args.second:
        changed |= {'model': args.second, 'backbone': 'auto', 'resolution': 'auto'}
    chosen = argparse.Namespace(**{**vars(args), **changed})
    other = chosen_bundle(chosen) if args.second else bundle
    return load_segmenter(other, chosen, engine_cache(chosen))


def _cluster(args: argparse.Namespace, work: EvaluateBags, segmenter: Segmenter,
             second: Segmenter | None) -> ClusterScoring:
    """Return what hands the bags to workers; these are started, or looked for, only then."""
    from frm_perception.evaluation.drive.cluster import LOCAL
    from frm_perception.evaluation.drive.cluster import ClusterScoring
    from frm_perception.evaluation.drive.cluster import Scheduler
    if args.scheduler == LOCAL:
        total = segmenter.info.threads
        bags = sum(bool(bag.cameras) for bag in work.bags)
        scheduler = Scheduler(LOCAL, min(args.workers or total, bags))
        threads = max(total // scheduler.workers, 1)
    elif args.workers:
        raise ValueError('--workers is for --scheduler local; a scheduler elsewhere has its own')
    else:
        scheduler, threads = Scheduler(args.scheduler), args.threads
    return ClusterScoring(scheduler, segmenter, second, work.options.tolerance_ms, threads,
                          args.engine_cache)


def _tell(report: dict[str, Any], comparison: dict[str, Any] | None, folder: RunFolder) -> int:
    """Print the figures, and on stderr what is missing in them; return the exit status."""
    from frm_perception.evaluation.drive.summary import summary
    from frm_perception.evaluation.report.comparison_text import difference_table
    from frm_perception.evaluation.report.comparison_text import method_text
    print(summary(report))
    if comparison:
        table = difference_table(comparison, ('baseline', 'this run'))
        print(f'\n{method_text(comparison)}\n\n{table}')
    print(f'\nAll of it is in {folder.path}, to look at in report.html')
    damaged = False
    for bag in report['bags']:
        for text in (*bag['left_out'], *bag['damage']):
            print(f'frm bag evaluate: warning: {bag["name"]}: {text}', file=sys.stderr)
        damaged = damaged or bool(bag['damage'])
    if not report['complete']:
        return 1
    return DAMAGED if damaged else 0


def _scheduler(text: str) -> str:
    if text != 'local' and not text.startswith(('tcp://', 'tls://')):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'local' nor an address such as "
                                         f'tls://HOST:8786')
    return text


def _fail(error: Exception, status: int) -> int:
    print(f'frm bag evaluate: {error}', file=sys.stderr)
    return status
