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
"""`frm bag compare`: tell whether one run is better than another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from frm_perception.cli.arguments import positive


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the action's arguments."""
    parser = subparsers.add_parser(
        'compare', help='compare two runs, and fail where one is not good enough',
        description='Compares run B with run A on the frames that both have, and says which '
                    'differences are more than chance. Exit status: 0 if every demand is met, 1 '
                    'if one is not, 2 if the options or the folders make no sense. docs/bags.md '
                    'says how to read the result.')
    parser.add_argument('a', type=Path, metavar='A', help='the folder of a run, such as the old')
    parser.add_argument('b', type=Path, metavar='B', help='the folder of another, such as the new')
    parser.add_argument('--segment', type=positive, metavar='SECONDS',
                        help='length of the parts of the drive that are drawn to tell chance from '
                             'difference (default: that of the segments of B)')
    parser.add_argument('--fail-below', action='append', default=[], metavar='FIGURE=VALUE',
                        help='demand that a figure of B is not below a value, such as '
                             'drivable_iou=0.95; can be given several times')
    parser.add_argument('--max-drop', action='append', default=[], metavar='FIGURE=VALUE',
                        help='demand that a figure of B is not worse than that of A by more than '
                             'a value, such as mean_iou=0.01 or latency_p95=5; can be given '
                             'several times')
    parser.add_argument('--markdown', type=Path, metavar='FILE',
                        help='also write what is printed')
    parser.add_argument('--html', type=Path, metavar='FILE',
                        help='also write it as a page, with pictures of both runs')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='also write everything, for programs')
    parser.set_defaults(run=run, command='bag compare')


def run(args: argparse.Namespace) -> int:
    """Compare, print and write; 1 if a demand is not met, 2 if options or folders are no good."""
    from frm_perception.evaluation.drive.compare import compare
    from frm_perception.evaluation.drive.gates import Gate
    from frm_perception.evaluation.drive.gates import GateError
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.evaluation.drive.run_folder import RunFolderError
    from frm_perception.evaluation.report.comparison_content import comparison_content
    from frm_perception.evaluation.report.comparison_text import comparison_markdown
    from frm_perception.evaluation.report.page import html
    from frm_perception.media.files import replacing
    from frm_perception.media.files import write_json
    try:
        gates = {f'--{option} {text}': Gate.parse(text, option == 'max-drop')
                 for option, texts in (('fail-below', args.fail_below),
                                       ('max-drop', args.max_drop)) for text in texts}
        a, b = RunFolder(args.a), RunFolder(args.b)
        comparison = compare(a, b, args.segment)
        failures = {demand: gate.failure(comparison) for demand, gate in gates.items()}
        text = comparison_markdown(comparison, failures)
        if args.markdown:
            with replacing(args.markdown) as partial:
                partial.write_text(text + '\n', encoding='utf-8')
        if args.html:
            page = html('comparison.html', comparison_content(a, b, comparison, failures))
            with replacing(args.html) as partial:
                partial.write_text(page, encoding='utf-8')
        if args.json:
            write_json(args.json, {**comparison, 'demands': [
                {'demand': demand, 'met': reason is None, 'reason': reason}
                for demand, reason in failures.items()]})
    except (GateError, RunFolderError, OSError) as error:
        print(f'frm bag compare: {error}', file=sys.stderr)
        return 2
    print(text)
    return 1 if any(failures.values()) else 0
