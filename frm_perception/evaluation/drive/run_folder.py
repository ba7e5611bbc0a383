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
"""The folder of a run of ``frm bag evaluate``: where what lies, and how it survives a crash."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.media.files import write_json

FORMAT = 1
"""Version of ``report.json``; a reader refuses others."""

_LOCK = '.lock'
_OURS = ('frames', 'overlays', 'live', 'report.json', 'report.html', 'report.md')


_PARTS = ('complete', 'model', 'options', 'bags', 'classes', 'colors', 'figures', 'cameras',
          'segments', 'worst', 'alarms', 'timings', 'origin')


class RunFolderError(ValueError):
    """A folder is not that of a run, or is damaged; the message says where."""


class RunFolder:
    """
    Paths, records and report of one run.

    A record is appended as one line as soon as its frame is done, so a process that is killed
    loses the line that it was writing and no other.

    :param path: the folder; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def report_file(self) -> Path:
        """The figures: ``report.json``."""
        return self.path / 'report.json'

    @property
    def page_file(self) -> Path:
        """The same for people: ``report.html``."""
        return self.path / 'report.html'

    @property
    def markdown_file(self) -> Path:
        """The same for a pull request: ``report.md``."""
        return self.path / 'report.md'

    def records_file(self, bag: str, camera: str) -> Path:
        """Return the file of a camera's records, one a line in the order of its frames."""
        return self.path / 'frames' / bag / f'{file_name(camera)}.jsonl'

    def overlay_file(self, bag: str, camera: str, index: int) -> Path:
        """Return the file of a frame's small picture for the strip of the drive."""
        return self.path / 'overlays' / bag / file_name(camera) / f'{index}.jpg'

    def worst_file(self, bag: str, camera: str, index: int) -> Path:
        """Return the file of a frame's large picture, which the worst frames have."""
        return self.path / 'overlays' / bag / file_name(camera) / f'{index}-large.jpg'

    def live_file(self, bag: str, camera: str) -> Path:
        """Return the file that says what became of a camera's images in a running node."""
        return self.path / 'live' / bag / f'{file_name(camera)}.jsonl'

    def append(self, record: FrameRecord) -> None:
        """
        Add a record to its camera's.

        :raises OSError: it cannot be written.
        """
        file = self.records_file(record.bag, record.camera)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open('a', encoding='utf-8') as lines:
            lines.write(record.to_line() + '\n')

    def records(self, bag: str, camera: str) -> list[FrameRecord]:
        """
        Return a camera's records, without a last one that is not whole; none without a file.

        :raises RunFolderError: a line is no record of this camera, or not in its order.
        """
        return list(self.each_record(bag, camera))

    def each_record(self, bag: str, camera: str) -> Iterator[FrameRecord]:
        """
        Yield what :meth:`records` returns, one by one: there may be very many.

        :raises RunFolderError: as :meth:`records`.
        """
        file = self.records_file(bag, camera)
        last = -1
        for number, line in enumerate(_whole_lines(file), start=1):
            try:
                record = FrameRecord.from_line(line.decode('utf-8'))
            except ValueError as error:
                raise RunFolderError(f'{file} line {number} is damaged: {error}') from error
            if (record.bag, record.camera) != (bag, camera):
                raise RunFolderError(f'{file} line {number} is of {record.bag} {record.camera}, '
                                     f'not of {bag} {camera}')
            if record.index <= last:
                raise RunFolderError(f'{file} line {number}: frame {record.index} comes after '
                                     f'frame {last}')
            last = record.index
            yield record

    def recover(self, bag: str, camera: str) -> list[FrameRecord]:
        """
        Return a camera's records, and cut off what was written of another, so that it can go on.

        :raises RunFolderError: as :meth:`records`.
        :raises OSError: the file cannot be changed.
        """
        found = self.records(bag, camera)
        file = self.records_file(bag, camera)
        if file.exists():
            os.truncate(file, sum(len(line) + 1 for line in _whole_lines(file)))
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Make the folder if need be, and keep other processes from writing there meanwhile.

        :raises RunFolderError: another process does so already, or other files are there.
        :raises OSError: it cannot be made.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        strangers = sorted(file.name for file in self.path.iterdir()
                           if file.name not in _OURS and not file.name.startswith('.'))
        if strangers and not self.report_file.exists():
            raise RunFolderError(f'{self.path} is not the folder of a run, but holds '
                                 f'{strangers[0]}; choose another')
        with (self.path / _LOCK).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(f'another process writes to {self.path}') from error
            yield

    def clear(self) -> None:
        """
        Remove what earlier runs wrote, and nothing else.

        :raises OSError: something cannot be removed.
        """
        for file in (self.report_file, self.page_file, self.markdown_file):
            file.unlink(missing_ok=True)
        for folder in (self.path / name for name in ('frames', 'overlays', 'live')):
            if folder.exists():
                shutil.rmtree(folder)

    def write_report(self, report: Mapping[str, Any]) -> None:
        """
        Replace ``report.json``; nobody ever sees half of it.

        :raises OSError: it cannot be written.
        """
        write_json(self.report_file, report)

    def read_report(self) -> dict[str, Any]:
        """
        Return what ``report.json`` holds.

        :raises RunFolderError: it is missing, damaged, not whole, or of another format than
            :data:`FORMAT`.
        """
        try:
            report = json.loads(self.report_file.read_text(encoding='utf-8'))
        except FileNotFoundError as error:
            raise RunFolderError(f'{self.path} is not the folder of a run: it has no '
                                 f'{self.report_file.name}') from error
        except (OSError, ValueError) as error:
            raise RunFolderError(f'cannot read {self.report_file}: {error}') from error
        found = report.get('format') if isinstance(report, dict) else None
        if found != FORMAT:
            raise RunFolderError(f'{self.report_file} has format {found!r}; this version reads '
                                 f'{FORMAT}')
        missing = [part for part in _PARTS if part not in report]
        if missing:
            raise RunFolderError(f'{self.report_file} is not whole: it lacks '
                                 f'{", ".join(missing)}')
        return dict(report)


def file_name(topic: str) -> str:
    """
    Return a topic as the name of a file, no two names of ROS alike: dots instead of slashes.

    Names that ROS does not allow, which other recorders write, get percent signs.
    """
    return '.'.join(quote(part, safe='').replace('.', '%2E')
                    for part in topic.strip('/').split('/'))


def _whole_lines(file: Path) -> list[bytes]:
    """Return the lines that have an end, without it; none where there is no file."""
    if not file.exists():
        return []
    return file.read_bytes().split(b'\n')[:-1]
