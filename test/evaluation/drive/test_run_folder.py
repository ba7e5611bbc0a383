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
"""The folder of a run: records that survive a crash, and a report that is whole."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError
from frm_perception.evaluation.drive.run_folder import file_name

FRAME = FrameRecord(
    bag='drive', camera='/front/image_raw', index=0, stamp_ns=1, recorded_ns=2, height=4, width=6,
    labels_digest='0a', drivable_digest='0b', class_pixels=(20, 4), drivable_share=0.25,
    confidence=None, confusion=None, drivable_confusion=None, stability=None, agreement=None,
    alarms=(), milliseconds={'infer': 20.25})
OF = ('drive', '/front/image_raw')


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a folder with the records of frames 0 to 2."""
    folder = RunFolder(tmp_path / 'run')
    for index in range(3):
        folder.append(replace(FRAME, index=index))
    return folder


def test_records_come_back_in_their_order(folder: RunFolder) -> None:
    assert folder.records(*OF) == [replace(FRAME, index=index) for index in range(3)]
    assert folder.records('drive', '/rear/image_raw') == []


def test_a_run_goes_on_after_a_line_that_was_cut_off_anywhere(folder: RunFolder) -> None:
    file = folder.records_file(*OF)
    whole = file.read_bytes()
    second = len(whole) // 3 * 2
    for length in range(second, len(whole)):
        file.write_bytes(whole[:length])

        kept = folder.recover(*OF)
        folder.append(replace(FRAME, index=2))

        assert [record.index for record in kept] == [0, 1]
        assert file.read_bytes() == whole


@pytest.mark.parametrize(('line', 'why'), [
    ('{"bag": 1}', 'not the record'), ('{', 'damaged'),
    (replace(FRAME, index=1).to_line(), 'frame 1 comes after frame 2'),
    (replace(FRAME, index=3, bag='other').to_line(), 'is of other')])
def test_a_damaged_line_is_named(folder: RunFolder, line: str, why: str) -> None:
    with folder.records_file(*OF).open('a') as file:
        file.write(line + '\n')

    with pytest.raises(RunFolderError, match=f'line 4.*{why}'):
        folder.records(*OF)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)

    report = {'format': 1, **dict.fromkeys((
        'complete', 'model', 'options', 'bags', 'classes', 'colors', 'figures', 'cameras',
        'segments', 'worst', 'alarms', 'timings', 'origin'))}
    folder.write_report(report)

    assert folder.read_report() == report


@pytest.mark.parametrize(('text', 'why'), [
    (None, 'is not the folder of a run'), ('{', 'cannot read'), ('[]', 'format None'),
    ('{"format": 2}', 'format 2; this version reads 1'), ('{"format": 1}', 'lacks complete, ')])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / 'report.json').write_text(text)

    with pytest.raises(RunFolderError, match=why):
        RunFolder(tmp_path).read_report()


PARTS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3).filter(
    lambda parts: not any('/' in part for part in parts))


@given(PARTS, PARTS)
def test_topics_have_files_of_their_own_without_folders(one: list[str], other: list[str]) -> None:
    names = [file_name('/' + '/'.join(parts)) for parts in (one, other)]

    assert (names[0] == names[1]) == (one == other)
    assert not any('/' in name or '\0' in name for name in names)


def test_a_topic_can_be_recognised_in_its_file_name() -> None:
    assert file_name('/front/image_raw/compressed') == 'front.image_raw.compressed'


def test_one_process_at_a_time_writes_to_a_folder(folder: RunFolder) -> None:
    with folder.locked():
        with pytest.raises(RunFolderError, match='another process writes to'):
            with RunFolder(folder.path).locked():
                pass
    with folder.locked():
        pass


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'thesis.tex').touch()
    with pytest.raises(RunFolderError, match='holds thesis.tex; choose another'):
        with RunFolder(tmp_path).locked():
            pass


def test_to_clear_a_folder_removes_the_run_and_nothing_else(folder: RunFolder) -> None:
    folder.write_report({'format': 1})
    for file in (folder.page_file, folder.markdown_file, folder.path / 'notes.txt'):
        file.touch()
    folder.overlay_file(*OF, 0).parent.mkdir(parents=True)

    folder.clear()

    assert [file.name for file in folder.path.iterdir()] == ['notes.txt']
