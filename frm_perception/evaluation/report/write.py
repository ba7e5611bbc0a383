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
"""Writes the reports that people read into the folder of a run."""

from __future__ import annotations

from typing import Any

from frm_perception.evaluation.drive.compare import compare
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.report.content import content
from frm_perception.evaluation.report.markdown import markdown
from frm_perception.evaluation.report.page import html
from frm_perception.media.files import replacing


def write_reports(run: RunFolder, baseline: RunFolder | None = None) -> dict[str, Any] | None:
    """
    Write report.html and report.md beside report.json, from it and from the records.

    :param baseline: a run to compare with.
    :return: the comparison with it, as of :func:`.compare.compare`; None without one.
    :raises RunFolderError: a folder is not that of a run, or is damaged, or the two have no frame
        in common.
    :raises OSError: a file cannot be written.
    """
    comparison = None if baseline is None else compare(baseline, run)
    shown = content(run, comparison)
    for file, text in ((run.page_file, html('report.html', shown)),
                       (run.markdown_file, markdown(shown, run.read_report(), comparison))):
        with replacing(file) as partial:
            partial.write_text(text, encoding='utf-8')
    return comparison
