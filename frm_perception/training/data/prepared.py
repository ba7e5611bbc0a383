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
"""Images that are rendered, or labelled by teachers, once for all runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import cv2
from tqdm import tqdm

from frm_perception.labels import CAMVID
from frm_perception.media.bag_storage import is_bag
from frm_perception.media.files import MediaError
from frm_perception.media.files import replacing
from frm_perception.media.files import write_json
from frm_perception.media.frames import is_video
from frm_perception.media.frames import list_images
from frm_perception.media.frames import read_frames
from frm_perception.media.labelled_images import DataError
from frm_perception.media.labelled_images import Image
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.scenes import RenderedDrive
from frm_perception.training.config import RenderedData
from frm_perception.training.config import UnlabelledData
from frm_perception.training.data.layouts import Listing
from frm_perception.training.teachers import CityscapesTeacher
from frm_perception.training.teachers import RoadTeacher
from frm_perception.training.teachers import agreed_labels

_SPREAD = 15  # frames of a drive from one that is taken to the next
_RECORD = 'labelled.json'
_IMAGES, _LABELS = 'images', 'labels'
_LEAST_SPACE = 2 << 30

Teacher = TypeVar('Teacher')


def list_preparation(data: RenderedData | UnlabelledData, cache: Path) -> Listing:
    """
    Make sure that :func:`prepared_images` has what it needs, before hours are spent.

    :return: the images that are to be labelled, where they are files.
    :raises DataError: no room, or the footage or a teacher cannot be used.
    """
    if shutil.disk_usage(cache).free < _LEAST_SPACE:
        raise DataError(f'{cache}: less than {_LEAST_SPACE >> 30} GiB free for rendered scenes, '
                        'labels and checkpoints')
    if isinstance(data, RenderedData):
        if data.drives < 1 or data.frames < 1:
            raise DataError(f'rendered: {data.drives} drives of {data.frames} frames are nothing '
                            'to train on')
        return Listing(f'rendered drives from {data.first_seed}', [], CAMVID)
    if not Path(data.path).exists():
        raise DataError(f'{data.path}: there is no such file or folder')
    if _labelled_before(data, _unlabelled_folder(data, cache)) is None:
        _load_teachers(data)
    return Listing(data.path, [], CAMVID, unlabelled=_image_files(Path(data.path)))


def prepared_images(data: RenderedData | UnlabelledData, cache: Path) -> list[LabelledImage]:
    """
    Return the images with CamVid's ids, from ``cache`` or newly made.

    :raises DataError: see :func:`unlabelled_images`.
    """
    if isinstance(data, RenderedData):
        return rendered_images(data, cache)
    return unlabelled_images(data, cache)


def rendered_images(data: RenderedData, cache: Path) -> list[LabelledImage]:
    """Render the drives once into ``cache`` and list their frames; resumes where it stopped."""
    folder = _cache_folder(cache, 'rendered', _key(data))
    jobs = [(seed, index) for seed in range(data.first_seed, data.first_seed + data.drives)
            for index in range(data.frames)]
    found: list[LabelledImage] = []
    drive: tuple[int, RenderedDrive] | None = None
    for seed, index in tqdm(jobs, 'rendering', unit='frame'):
        item = _files(folder, f'{seed}_{index:03}')
        found.append(item)
        if item.labels.exists():
            continue
        if drive is None or drive[0] != seed:
            drive = seed, RenderedDrive(seed, data.height, data.width, data.frames * _SPREAD)
        scene = drive[1][index * _SPREAD]
        _write(item, scene.image, scene.labels)
    return found


def unlabelled_images(data: UnlabelledData, cache: Path) -> list[LabelledImage]:
    """
    Label frames once into ``cache`` and list them; resumes where it stopped.

    :raises DataError: the frames or a teacher cannot be read, or the frames are not those that
        were labelled before.
    """
    folder = _unlabelled_folder(data, cache)
    done = _labelled_before(data, folder)
    if done is not None:
        return done
    record = {'bytes': _bytes_of(Path(data.path)), 'frames': None}
    write_json(folder / _RECORD, record)
    teachers: tuple[CityscapesTeacher, RoadTeacher] | None = None
    found: list[LabelledImage] = []
    try:
        for frame in tqdm(read_frames(Path(data.path)), 'labelling', unit='frame'):
            item = _files(folder, f'{len(found):06}')
            found.append(item)
            if not item.labels.exists():
                teachers = teachers or _load_teachers(data)
                _write(item, frame.image, agreed_labels(frame.image, *teachers))
    except MediaError as error:
        raise DataError(str(error)) from error
    if not found:
        raise DataError(f'{data.path}: no frames to label')
    write_json(folder / _RECORD, record | {'frames': len(found)})
    return found


def _labelled_before(data: UnlabelledData, folder: Path) -> list[LabelledImage] | None:
    """Return the frames if all of them are labelled; nothing is decoded for that."""
    file = folder / _RECORD
    if not file.exists():
        return None
    record = json.loads(file.read_text())
    if record['bytes'] != _bytes_of(Path(data.path)):
        raise DataError(f'{data.path}: has changed since its frames were labelled; delete '
                        f'{folder} to label them again')
    found = [_files(folder, f'{index:06}') for index in range(record['frames'] or 0)]
    return found if found and all(item.labels.exists() for item in found) else None


def _image_files(path: Path) -> list[Path]:
    """Return the images that the frames are; none of a video or a bag."""
    if is_bag(path) or is_video(path):
        return []
    try:
        return list_images(path) if path.is_dir() else [path]
    except MediaError as error:
        raise DataError(str(error)) from error


def _bytes_of(path: Path) -> int:
    """Return the size of the footage, whose names alone may hide that it is another."""
    files = _image_files(path) or (path.rglob('*') if path.is_dir() else [path])
    return sum(file.stat().st_size for file in files if file.is_file())


def _load_teachers(data: UnlabelledData) -> tuple[CityscapesTeacher, RoadTeacher]:
    return (_load_teacher(CityscapesTeacher, 'cityscapes_teacher', data.cityscapes_teacher),
            _load_teacher(RoadTeacher, 'road_teacher', data.road_teacher))


def _load_teacher(kind: Callable[[Path], Teacher], key: str, file: str) -> Teacher:
    if not Path(file).is_file():
        raise DataError(f'{file}: there is no such file, which {key} names')
    try:
        return kind(Path(file))
    except ImportError as error:
        raise DataError(f'{file}: {key} cannot be loaded: {error}') from error
    except (ValueError, RuntimeError) as error:  # what TFLite and OpenVINO raise
        raise DataError(f'{file}: {key} is no such network: {error}') from error


def _key(data: RenderedData | UnlabelledData) -> str:
    return repr(sorted((key, value) for key, value in asdict(data).items()
                       if key not in ('weight', 'licence')))


def _unlabelled_folder(data: UnlabelledData, cache: Path) -> Path:
    return _cache_folder(cache, 'unlabelled', _key(data))


def _cache_folder(cache: Path, kind: str, key: str) -> Path:
    folder = cache / f'{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}'
    for part in (_IMAGES, _LABELS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return folder


def _files(folder: Path, name: str) -> LabelledImage:
    """Return where a frame and its labels are: in two folders, as `frm evaluate` takes them."""
    return LabelledImage(folder / _IMAGES / f'{name}.jpg', folder / _LABELS / f'{name}.png')


def _write(item: LabelledImage, image: Image, labels: Image) -> None:
    """Write the labels last, both atomically: a frame with labels is complete."""
    for file, pixels, settings in (
            (item.image, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]),
            (item.labels, labels, [])):
        encoded = cv2.imencode(file.suffix, pixels, settings)[1]
        with replacing(file) as partial:
            partial.write_bytes(encoded.tobytes())
