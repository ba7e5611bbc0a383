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
"""Label files: images, folders of images, videos and bags, into a folder of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.media.bag_storage import is_bag
from frm_perception.media.files import MediaError
from frm_perception.media.files import write_image
from frm_perception.media.files import write_json
from frm_perception.media.frames import Frame
from frm_perception.media.frames import FrameSource
from frm_perception.media.frames import is_video
from frm_perception.media.frames import list_images
from frm_perception.media.frames import read_frames
from frm_perception.media.frames import read_image
from frm_perception.media.overlay import draw_overlay
from frm_perception.media.video import VideoWriter
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.segmenter import Segmentation
from frm_perception.runtime.segmenter import Segmenter

SUMMARY = 'summary.json'

_GAP_FRAMES = 5
"""So many frames of a sequence may be missing before it is taken for two."""


class SegmentFiles:
    """
    Label files one after the other, and remember what came of each.

    :param output: folder for the results; made if need be, files in it are replaced.
    :param topic: image topic of bags; '' takes their first.
    :param save_labels: write the labels and the drivable area of every frame of videos and bags.
    :param rules: what it takes for a pixel to be drivable; those that look at time apply within
        each video or bag, where frames follow each other.

    Attributes: ``frames`` counts what was labelled, ``results`` has the files written for each
    input, ``unreadable`` the reason for each input that could not be read (to its end).
    """

    def __init__(self, segmenter: Segmenter, output: Path, topic: str = '',
                 save_labels: bool = False, rules: DrivableRules | None = None) -> None:
        self.segmenter = segmenter
        self.frames = 0
        self.results: dict[str, list[str]] = {}
        self.unreadable: dict[str, str] = {}
        self._output = output
        self._topic = topic
        self._save_labels = save_labels
        self._rules = rules or DrivableRules()
        self._timings: dict[str, list[float]] = {}

    def process(self, inputs: Sequence[Path]) -> None:
        """
        Label all of these and write ``summary.json``.

        :raises MediaError: the results cannot be written, or would land among the inputs.
        :raises EngineError: the network failed.
        :raises OSError: the output folder cannot be written to.
        """
        if any(source.is_dir() and source.resolve() == self._output.resolve()
               for source in inputs):
            raise MediaError(f'{self._output} is an input; write the results to another folder')
        self._output.mkdir(parents=True, exist_ok=True)
        files = list(self._expand(inputs))
        names = output_names(files)
        progress = tqdm(files, unit='input', disable=None)
        for source, name in zip(progress, names, strict=True):
            progress.set_description(source.name)
            if is_video(source) or is_bag(source):
                self._sequence(source, name)
            else:
                self._image(source, name)
        write_json(self._output / SUMMARY, self.summary())

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """Return p50, p95 and p99 of each stage and of their sum, in milliseconds."""
        return {stage: {f'p{p}': round(float(np.percentile(values, p)), 2) for p in (50, 95, 99)}
                for stage, values in self._timings.items()}

    def summary(self) -> dict[str, object]:
        """Return all there is to know about the run, ready for JSON."""
        return {
            'model': asdict(self.segmenter.info),
            'drivable_rules': asdict(self._rules), 'frames': self.frames,
            'milliseconds': self.milliseconds(), 'results': self.results,
            'unreadable': self.unreadable}

    def _expand(self, inputs: Sequence[Path]) -> Iterator[Path]:
        """Yield every file (or bag) once; a folder of images stands for its images."""
        seen = set()
        for source in inputs:
            files = [source]
            if source.is_dir() and not is_bag(source):
                try:
                    files = list_images(source)
                except MediaError as error:
                    self.unreadable[str(source)] = str(error)
                    continue
            for file in files:
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    yield file

    def _image(self, source: Path, name: str) -> None:
        try:
            image = read_image(source)
        except MediaError as error:
            self.unreadable[str(source)] = str(error)
            return
        result = self._segment(image, DrivableFilter(self._rules.for_one_image()), 0)
        overlay = draw_overlay(image, result.labels, self.segmenter.label_space, result.drivable)
        for ending, picture in (('label.png', result.labels), ('drivable.png', result.drivable),
                                ('overlay.jpg', overlay)):
            write_image(self._output / f'{name}_{ending}', picture)
            self.results.setdefault(str(source), []).append(f'{name}_{ending}')

    def _sequence(self, source: Path, name: str) -> None:
        try:
            frames = read_frames(source, self._topic if is_bag(source) else '')
        except MediaError as error:
            self.unreadable[str(source)] = str(error)
            return
        before = self.frames
        # A slow sequence is one all the same.
        drivable = DrivableFilter(replace(
            self._rules, max_gap_s=max(self._rules.max_gap_s, _GAP_FRAMES / frames.rate)))
        with VideoWriter(self._output / f'{name}_overlay.webm', frames.rate) as video:
            for index, frame in enumerate(self._until_unreadable(source, frames)):
                result = self._segment(frame.image, drivable, frame.stamp_ns)
                video.write(draw_overlay(frame.image, result.labels, self.segmenter.label_space,
                                         result.drivable))
                if self._save_labels:
                    write_image(self._output / f'{name}_label' / f'{index:06}.png', result.labels)
                    write_image(self._output / f'{name}_drivable' / f'{index:06}.png',
                                result.drivable)
        if self.frames > before:
            folders = [f'{name}_label', f'{name}_drivable'] if self._save_labels else []
            self.results[str(source)] = [f'{name}_overlay.webm', *folders]
        else:
            self.unreadable.setdefault(str(source), f'{source} holds no frames')

    def _until_unreadable(self, source: Path, frames: FrameSource) -> Iterator[Frame]:
        """Yield the frames that can be read; what came before the damage is worth keeping."""
        progress = tqdm(total=len(frames) or None, unit='frame', leave=False, disable=None)
        with progress:
            try:
                for frame in frames:
                    yield frame
                    progress.update()
            except MediaError as error:
                self.unreadable[str(source)] = str(error)

    def _segment(self, image: NDArray[np.uint8], drivable: DrivableFilter,
                 stamp_ns: int) -> Segmentation:
        result = self.segmenter.segment(image, drivable=drivable, stamp_ns=stamp_ns)
        for stage, value in (*result.timings.items(), ('total', sum(result.timings.values()))):
            self._timings.setdefault(stage, []).append(value)
        self.frames += 1
        return result


def output_names(files: Sequence[Path]) -> list[str]:
    """
    Return a name for the results of each file, no two alike.

    A file's name without its suffix; with it (``road_jpg``) where several files share the rest,
    and with a number where even that is not enough.
    """
    stems = Counter(file.stem for file in files)
    taken = {stem for stem, count in stems.items() if count == 1}
    names = []
    for file in files:
        name = file.stem
        if stems[file.stem] > 1:
            base = name = file.name.replace('.', '_')
            number = 2
            while name in taken:
                name = f'{base}-{number}'
                number += 1
            taken.add(name)
        names.append(name)
    return names
