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
"""Runs of `frm bag evaluate` that no network made: for tests of reports and comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.evaluation.drive.figures import figures
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.run_folder import FORMAT
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.record import percentiles
from frm_perception.labels import CAMVID
from frm_perception.labels import LabelSpace
from frm_perception.media.files import write_image

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
SEGMENT_S = 2.0
STAGES = {'decode': 2.0, 'prepare': 1.5, 'infer': 18.0, 'decide': 3.0, 'drivable': 1.0}


@dataclass(frozen=True)
class SyntheticRun:
    """
    What a run is to hold; frames follow each other every 0.1 s.

    :param right: share of the pixels that are right.
    :param alarmed: indices of the frames that show one class alone.
    :param overlays: so many frames have small pictures; the three worst have large ones.
    """

    bags: Sequence[str] = ('drive',)
    cameras: Sequence[str] = ('/front/image_raw',)
    frames: int = 40
    space: LabelSpace = CAMVID
    right: float = 0.8
    labelled: bool = True
    confident: bool = True
    alarmed: Sequence[int] = ()
    damage: Sequence[str] = ()
    complete: bool = True
    overlays: int = 12
    seed: int = 0

    def write(self, folder: Path) -> RunFolder:
        """Write records, pictures and report.json."""
        run = RunFolder(folder)
        by_camera = {(bag, camera): list(self.records(bag, camera))
                     for bag in self.bags for camera in self.cameras}
        for (bag, camera), records in by_camera.items():
            file = run.records_file(bag, camera)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(''.join(record.to_line() + '\n' for record in records))
            for index in np.linspace(0, self.frames - 1, min(self.overlays, self.frames)):
                write_image(run.overlay_file(bag, camera, int(index)), self._picture(int(index)))
        run.write_report(self.report(run, by_camera))
        return run

    def records(self, bag: str, camera: str) -> Iterator[FrameRecord]:
        """Yield the records of a camera."""
        # What is true does not depend on the seed, so that runs can be compared.
        truths = np.random.default_rng([len(bag), len(camera)])
        random = np.random.default_rng([self.seed, len(bag), len(camera)])
        classes = len(self.space.classes)
        for index in range(self.frames):
            right = float(np.clip(self.right + 0.1 * np.sin(index / 9) + random.normal(0, 0.02),
                                  0, 1))
            confusion = self._confusion(truths, right)
            hit = round(30_000 * right)
            rest = 30_000 - hit
            stages = {name: value * random.gamma(20, 1 / 20) for name, value in STAGES.items()}
            stamp = START_NS + index * PERIOD_NS
            yield FrameRecord(
                bag=bag, camera=camera, index=index, stamp_ns=stamp, recorded_ns=stamp,
                height=240, width=320, labels_digest=f'{index:x}', drivable_digest=f'{index:x}',
                class_pixels=tuple(confusion[:, :classes].sum(axis=0).tolist()),
                drivable_share=float(np.clip(0.35 + 0.05 * np.sin(index / 6), 0, 1)),
                confidence=right ** 0.5 if self.confident else None,
                confusion=tuple(map(tuple, confusion.tolist())) if self.labelled else None,
                drivable_confusion=((hit, rest, 0), (rest, 46_800 - rest, 0))
                if self.labelled else None,
                stability=None if index == 0 else right ** 0.3, agreement=None,
                alarms=('one_class',) if index in self.alarmed else (),
                milliseconds={**stages, 'total': sum(stages.values())})

    def report(self, run: RunFolder, by_camera: dict[tuple[str, str], list[FrameRecord]]
               ) -> dict[str, Any]:
        """Return what report.json holds, and write the large pictures that it names."""
        compared = self.space.classes if self.labelled else ()
        everything = [record for records in by_camera.values() for record in records]
        (bag, camera), first = next(iter(by_camera.items()))
        worst = []
        for record in first[:3]:
            file = run.worst_file(bag, camera, record.index)
            write_image(file, self._picture(record.index, 480))
            worst.append({'bag': bag, 'camera': camera, 'index': record.index,
                          'stamp_ns': record.stamp_ns, 'why': 'lowest drivable IoU',
                          'overlay': str(file.relative_to(run.path))})
        return {
            'format': FORMAT, 'complete': self.complete,
            'model': {'bundle': 'tiny', 'network': 'tiny', 'resolution': [64, 96],
                      'precision': 'fp32', 'provider': 'cpu', 'fallback': None,
                      'sha256': 'ab' * 32, 'label_space': self.space.name},
            'second': None, 'options': {'segment_s': SEGMENT_S, 'tolerance_ms': 5.0},
            'bags': [{'name': bag, 'path': f'/recordings/{bag}', 'duration_s': self.frames / 10,
                      'begin_ns': START_NS, 'end_ns': START_NS + self.frames * PERIOD_NS,
                      'left_out': [], 'unmatched': {'images': 0, 'labels': 0},
                      'damage': list(self.damage), 'cameras': list(self.cameras),
                      'frames': self.frames * len(self.cameras),
                      'labelled': self.frames * len(self.cameras) * self.labelled, 'unread': 0}
                     for bag in self.bags],
            'classes': list(self.space.classes), 'colors': [list(c) for c in self.space.palette],
            'figures': figures(everything, compared),
            'cameras': {camera: figures([record for record in everything
                                         if record.camera == camera], compared)
                        for camera in self.cameras},
            'segments': [
                {'bag': bag, 'camera': camera, 'begin_s': begin * SEGMENT_S,
                 'end_s': (begin + 1) * SEGMENT_S, 'figures': figures(records[at:at + 20],
                                                                      compared)}
                for (bag, camera), records in by_camera.items()
                for begin, at in enumerate(range(0, len(records), 20))],
            'worst': worst, 'alarms': list(self._alarms(by_camera)),
            'timings': {
                'milliseconds': {stage: percentiles([record.milliseconds[stage]
                                                     for record in everything])
                                 for stage in (*STAGES, 'total')},
                'cameras': {}, 'seconds': 4.5, 'load': 1.0},
            'origin': {'machine': {'cpu': 'a processor', 'cores': 2}, 'commit': 'unknown',
                       'versions': {'python': '3.11'}}}

    def _alarms(self, by_camera: dict[tuple[str, str], list[FrameRecord]]
                ) -> Iterator[dict[str, Any]]:
        if not self.alarmed:
            return
        for bag, camera in by_camera:
            yield {'kind': 'one_class', 'bag': bag, 'camera': camera,
                   'begin_ns': START_NS + min(self.alarmed) * PERIOD_NS,
                   'end_ns': START_NS + max(self.alarmed) * PERIOD_NS,
                   'frames': len(self.alarmed)}

    def _confusion(self, truths: np.random.Generator, right: float) -> np.ndarray:
        classes = len(self.space.classes)
        truth = np.round(truths.dirichlet(np.linspace(0.3, 3, classes)) * 76_800).astype(int)
        wrong = np.floor(truth[:, None] * np.full((classes, classes), (1 - right) / classes))
        np.fill_diagonal(wrong, 0)
        counts = wrong.astype(int) + np.diag(truth - wrong.sum(axis=1).astype(int))
        return np.hstack([counts, np.zeros((classes, 1), int)])

    def _picture(self, index: int, width: int = 160) -> np.ndarray:
        picture = np.empty((width * 3 // 4, width, 3), np.uint8)
        picture[:] = (40 + index % 150, 120, 40)
        picture[picture.shape[0] // 2:, :, 1] = np.linspace(80, 230, width)
        return picture
