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
"""Which files a bag consists of, and what its metadata.yaml says of them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import yaml
from backports import zstd

from frm_perception.media.bag_mcap import McapStorage
from frm_perception.media.bag_ros1 import Ros1Storage
from frm_perception.media.bag_sqlite import SqliteStorage
from frm_perception.media.bag_storage import COMPRESSED
from frm_perception.media.bag_storage import METADATA
from frm_perception.media.bag_storage import BagStorage
from frm_perception.media.bag_storage import storage_files
from frm_perception.media.bag_storage import storage_kind
from frm_perception.media.files import MediaError

_STORAGES: Mapping[str, Callable[[Path], BagStorage]] = {
    '.bag': Ros1Storage, '.mcap': McapStorage, '.db3': SqliteStorage}


class _Copy:
    """
    A file that was decompressed as a whole; it is removed when nobody uses it any more.

    :param damage: why it does not hold all of the file; '' if it does.
    """

    def __init__(self, file: Path) -> None:
        folder = Path(tempfile.mkdtemp(prefix='frm_bag_'))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = folder / file.stem
        self.damage = ''
        with file.open('rb') as source, self.path.open('wb') as target:
            try:
                shutil.copyfileobj(zstd.ZstdFile(source), target)
            except (zstd.ZstdError, EOFError) as error:
                self.damage = (f'{file.name} is damaged: it can be decompressed to byte '
                               f'{target.tell()} only ({error})')


_copies: MutableMapping[tuple[Path, int, int], _Copy] = weakref.WeakValueDictionary()
"""By file, time and size: whoever opens a bag that is open uses its copies."""


def _copy(file: Path) -> _Copy:
    status = file.stat()
    key = file.resolve(), status.st_mtime_ns, status.st_size
    copy = _copies.get(key) or _Copy(file)
    _copies[key] = copy
    return copy


class BagFiles:
    """
    The files of a bag, opened.

    :param bag: a file or a folder.
    :raises MediaError: none of its files can be opened.
    """

    def __init__(self, bag: Path) -> None:
        self.damage: dict[str, None] = {}
        self.stated: Counter[str] = Counter()
        """Messages by topic that metadata.yaml speaks of."""
        self.storages: list[BagStorage] = []
        self._copies: list[_Copy] = []
        files = self._of_folder(bag) if bag.is_dir() else [bag]
        problems = []
        for file in files:
            try:
                self.storages.append(self._open(file))
            except (MediaError, OSError) as error:
                problems.append(str(error))
        if not self.storages:
            raise MediaError(f'cannot read the bag {bag}: '
                             f'{"; ".join(problems) or "it has no files"}')
        self.damage.update(dict.fromkeys(problems))
        self.storages.sort(key=lambda storage: storage.begin_ns)

    def _of_folder(self, folder: Path) -> list[Path]:
        """
        Return the files that metadata.yaml names.

        Where one is missing it may have another name: then all that are there, which are also
        what remains without metadata.
        """
        there = storage_files(folder)
        try:
            text = (folder / METADATA).read_text(encoding='utf-8')
            metadata: Any = yaml.safe_load(text)['rosbag2_bagfile_information']
            named = [folder / Path(name).name for name in metadata['relative_file_paths']]
            stated = Counter[str]()
            for topic in metadata['topics_with_message_count']:
                stated[topic['topic_metadata']['name']] += int(topic['message_count'])
        except FileNotFoundError:
            self._note(f'{METADATA} is missing: the bag was not closed, or it was lost')
            return there
        except Exception as error:  # what is in it may be anything
            reason = ' '.join(str(error).split())
            self._note(f'{METADATA} is damaged ({type(error).__name__}: {reason})')
            return there
        self.stated = stated
        missing = [file for file in named if not file.exists()]
        for file in missing:
            self._note(f'{file.name} is missing')
        if not missing:
            return named
        for file in there:
            if file not in named:
                self._note(f'{file.name} is not in {METADATA}; it was read all the same')
        return there

    def _open(self, file: Path) -> BagStorage:
        if file.suffix.lower() == COMPRESSED:
            copy = _copy(file)
            self._copies.append(copy)
            if copy.damage:
                self._note(copy.damage)
            file = copy.path
        kind = _STORAGES.get(storage_kind(file))
        if kind is None:
            raise MediaError(f'{file.name} is no file of a bag: these end in '
                             f'{", ".join(_STORAGES)}')
        return kind(file)

    def _note(self, text: str) -> None:
        self.damage[text] = None
