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
"""Every file is read before it is used; what is wrong is counted, named and refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from tqdm import tqdm

from frm_perception.media.files import replacing
from frm_perception.media.label_png import LabelFileError
from frm_perception.media.label_png import decode_ids
from frm_perception.media.labelled_images import DataError
from frm_perception.media.labelled_images import Image
from frm_perception.media.labelled_images import LabelledSet

_NAMED = 20  # problems, in one message
_LISTED = 5  # files of a folder, in one message
_LABELS_MISSING = 'labels missing'
_SAVE_EVERY = 1000  # files
_FORMAT = 2

Kind = Literal['image', 'labels']


@dataclass(frozen=True)
class Problem:
    """
    Why a file or a source cannot be used.

    :param kind: what problems are counted by.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Facts:
    """
    What a readable file holds.

    :param digest: of its bytes.
    :param ids: that occur in it; none for an image.
    """

    height: int
    width: int
    digest: str
    ids: tuple[int, ...]


def refuse(problems: Sequence[Problem]) -> None:
    """
    Raise one error for all problems, if there are any.

    :raises DataError: counts them by kind and names the first ones.
    """
    if not problems:
        return
    counts = ', '.join(f'{kind}: {count}' for kind, count in
                       Counter(problem.kind for problem in problems).most_common())
    lines = [problem.text for problem in problems[:_NAMED]]
    if len(problems) > _NAMED:
        lines.append(f'and {len(problems) - _NAMED} more')
    raise DataError(f'the data cannot be used ({counts}):\n  ' + '\n  '.join(lines))


class Reader:
    """
    Reads files, each once: what they hold is remembered with their sizes and times.

    :param cache: folder where that is kept between runs; None keeps it in memory alone.
    """

    def __init__(self, cache: Path | None) -> None:
        self._file = cache / 'checked.json' if cache else None
        self._known: dict[str, list[object]] = {}
        if self._file and self._file.exists():
            self._known = _remembered(self._file)

    def read(self, title: str, files: Sequence[tuple[Kind, Path]]) -> list[Facts | Problem]:
        """
        Return what each file holds, or why it cannot be used.

        :param title: of the progress bar, which only files that are not remembered need.
        """
        found = {job: self._recall(job) for job in files}
        new = [job for job, facts in found.items() if facts is None]
        if new:
            pool = ThreadPool(len(os.sched_getaffinity(0)))
            try:
                results = tqdm(pool.imap(_read, new, chunksize=4), f'checking {title}',
                               total=len(new), unit='file')
                for number, (job, (stamp, result)) in enumerate(zip(new, results), 1):
                    found[job] = result
                    self._remember(job, stamp, result)
                    if number % _SAVE_EVERY == 0:
                        self._save()
            finally:
                self._save()
                pool.terminate()
                pool.join()  # nothing reads on once this has ended
        return [facts for facts in map(found.get, files) if facts is not None]

    def digest(self, image: Path) -> str | None:
        """Return the digest of an image that was read; None where it could not be."""
        facts = self._recall(('image', image))
        return facts.digest if facts else None

    def _recall(self, job: tuple[Kind, Path]) -> Facts | None:
        known = self._known.get(_key(job))
        if known is None or known[0] != _stamp(job[1]):
            return None
        _, height, width, digest, ids = known
        return Facts(height, width, digest, tuple(ids))  # type: ignore[arg-type]

    def _remember(self, job: tuple[Kind, Path], stamp: list[int], result: Facts | Problem
                  ) -> None:
        if isinstance(result, Facts):
            self._known[_key(job)] = [stamp, result.height, result.width, result.digest,
                                      list(result.ids)]

    def _save(self) -> None:
        if self._file:
            with replacing(self._file) as partial:
                partial.write_text(json.dumps({'format': _FORMAT, 'files': self._known}))


def _remembered(file: Path) -> dict[str, list[object]]:
    """Read what was kept; all is read anew where that is of another version or damaged."""
    try:
        content = json.loads(file.read_text())
    except ValueError:
        return {}
    if not isinstance(content, dict) or content.get('format') != _FORMAT:
        return {}
    files: dict[str, list[object]] = content['files']
    return files


def _key(job: tuple[Kind, Path]) -> str:
    return f'{job[0]} {os.path.abspath(job[1])}'


def _stamp(file: Path) -> list[int]:
    """Return size and time of change; nothing where there is no such file."""
    try:
        status = file.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _read(job: tuple[Kind, Path]) -> tuple[list[int], Facts | Problem]:
    kind, file = job
    stamp = _stamp(file)  # before reading: a file that changes meanwhile is read again next time
    if not stamp:
        missing = _LABELS_MISSING if kind == 'labels' else 'image missing'
        return stamp, Problem(missing, f'{file}: there is no such file')
    ids: tuple[int, ...] = ()
    try:
        data = file.read_bytes()
        pixels = decode_ids(data) if kind == 'labels' else _decode_image(data)
    except LabelFileError as error:
        return stamp, Problem(error.kind, f'{file}: {error}')
    except (OSError, cv2.error):
        pixels = None
    if pixels is None:
        return stamp, Problem('unreadable', f'{file}: not a readable image')
    if kind == 'labels':
        counts = cv2.calcHist([pixels], [0], None, [256], [0, 256])
        ids = tuple(np.flatnonzero(counts).tolist())
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return stamp, Facts(pixels.shape[0], pixels.shape[1], digest, ids)


def _decode_image(data: bytes) -> Image | None:
    image: Image | None = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
        if data else None)
    return image


def check(sets: Iterable[LabelledSet], reader: Reader) -> list[Problem]:
    """Read every image and its labels; return what is wrong with them, by set and name."""
    problems = []
    for one in sets:
        images = reader.read(f'images of {one.name}',
                             [('image', file) for file in one.image_files()])
        labels = reader.read(f'labels of {one.name}',
                             [('labels', item.labels) for item in one.images])
        problems += [found for found in images if isinstance(found, Problem)]
        problems += _all_missing(one, labels) or [
            found for found in labels if isinstance(found, Problem)]
        # What is not labelled yet comes last.
        for item, image, label in zip(one.images, images, labels):
            if isinstance(label, Problem):
                continue
            wrong = [value for value in label.ids if not one.known[value]]
            if wrong:
                problems.append(Problem('wrong ids', f'{item.labels}: ids {wrong} are not in '
                                        f'{one.meaning}, which has '
                                        f'{_ranges(np.flatnonzero(one.known).tolist())}'))
            if isinstance(image, Facts) and (
                    (image.height, image.width) != (label.height, label.width)):
                problems.append(Problem(
                    'wrong size', f'{item.labels}: {label.width}x{label.height} pixels, but '
                    f'{item.image} has {image.width}x{image.height}'))
        problems += _without_a_wanted_id(one, labels)
    return problems


def _all_missing(one: LabelledSet, labels: Sequence[Facts | Problem]) -> list[Problem]:
    """Return one problem for labels that are all missing: the folder or its names are others."""
    if len(labels) < 2 or not all(
            isinstance(label, Problem) and label.kind == _LABELS_MISSING for label in labels):
        return []
    first = one.images[0].labels
    there = sorted(file.name for file in first.parent.glob('*'))
    listed = ', '.join(there[:_LISTED]) + (
        f' and {len(there) - _LISTED} more' if len(there) > _LISTED else '')
    return [Problem('all labels missing', f'{one.name}: its {len(labels)} images have no labels, '
                    f'such as {first}; {first.parent} holds {listed or "nothing"}')]


def _without_a_wanted_id(one: LabelledSet, labels: Sequence[Facts | Problem]) -> list[Problem]:
    facts = [label for label in labels if isinstance(label, Facts)]
    found = {value for label in facts for value in label.ids}
    if len(facts) < len(labels) or not facts or any(one.wanted[value] for value in found):
        return []
    return [Problem('nothing that counts', f'{one.name}: its {len(facts)} labels have none of the '
                    f'ids that count here, {_ranges(np.flatnonzero(one.wanted).tolist())}; they '
                    f'hold {_ranges(sorted(found))}')]


def _ranges(values: list[int]) -> str:
    """Write whole numbers in rising order as '0..11, 255'."""
    starts = [value for value in values if value - 1 not in values]
    ends = [value for value in values if value + 1 not in values]
    return ', '.join(str(start) if start == end else f'{start}..{end}'
                     for start, end in zip(starts, ends))
