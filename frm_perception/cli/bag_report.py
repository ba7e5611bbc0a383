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
"""`frm bag report`: write the reports of a run again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the action's arguments."""
    parser = subparsers.add_parser(
        'report', help='write report.html and report.md of a run again',
        description='Writes RUN/report.html, one file that needs no other, and RUN/report.md, for '
                    'a pull request, from what is in RUN. The run need not be complete.')
    parser.add_argument('run_folder', type=Path, metavar='RUN', help='the folder of a run')
    parser.add_argument('--baseline', type=Path, metavar='RUN',
                        help='the folder of a run to compare with')
    parser.set_defaults(run=run, command='bag report')


def run(args: argparse.Namespace) -> int:
    """Write both; 2 if a folder is not that of a run or cannot be written to."""
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.evaluation.drive.run_folder import RunFolderError
    from frm_perception.evaluation.report.write import write_reports
    folder = RunFolder(args.run_folder)
    try:
        write_reports(folder, RunFolder(args.baseline) if args.baseline else None)
    except (RunFolderError, OSError) as error:
        print(f'frm bag report: {error}', file=sys.stderr)
        return 2
    print(f'{folder.page_file} and {folder.markdown_file.name} are written')
    return 0
