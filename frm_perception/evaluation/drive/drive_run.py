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
"""A run from its beginning to its end, or from where it was interrupted."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from frm_perception.evaluation.drive.drive_report import Records
from frm_perception.evaluation.drive.drive_report import difference
from frm_perception.evaluation.drive.drive_report import drive_report
from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
from frm_perception.evaluation.drive.pictures import draw_pictures
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError


def evaluate_drive(run: EvaluateBags, folder: RunFolder, restart: bool) -> dict[str, Any]:
    """
    Score what is not scored yet, draw, and write ``report.json``; return it.

    Interrupted, or where a bag could not be finished, it leaves a report of what is there, which
    says that it is not complete.

    :param folder: locked.
    :param restart: forget what is there.
    :raises RunFolderError: what is there is of another run, or damaged.
    :raises MediaError: a bag can no longer be read, or a picture not be written.
    :raises EngineError: a network failed.
    :raises OSError: something cannot be written.
    """
    begin = perf_counter()
    if restart:
        folder.clear()
    report = drive_report(run, {}, False, 0.0)
    if folder.report_file.exists():
        before = folder.read_report()
        found = difference(before, report)
        if found:
            raise RunFolderError(f'{folder.path} has a run of something else: {found}. Choose '
                                 f'another folder, or --restart')
        if before['complete']:
            return before
    elif any(_records(run, folder).values()):
        raise RunFolderError(f'{folder.path} has frames, but no report that says of what; '
                             f'--restart does all of them anew')
    folder.write_report(report)
    try:
        run.run(folder)
        draw_pictures(run.bags, run.labeller, folder)
    except KeyboardInterrupt:
        folder.write_report(
            drive_report(run, _records(run, folder), False, perf_counter() - begin))
        raise
    complete = all(bag.finished for bag in run.bags)
    folder.write_report(
        drive_report(run, _records(run, folder), complete, perf_counter() - begin))
    return folder.read_report()


def _records(run: EvaluateBags, folder: RunFolder) -> Records:
    return {(bag.name, camera.topic): folder.records(bag.name, camera.topic)
            for bag in run.bags for camera in bag.cameras}
