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
"""What the demo shows of a recording: video, contact sheet, accuracy and latency of each frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.evaluation.metrics import BinaryIoU
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.record import percentiles
from frm_perception.labels import CAMVID
from frm_perception.labels import LabelSpace
from frm_perception.media.files import write_image
from frm_perception.media.frames import Frame
from frm_perception.media.video import SUFFIX
from frm_perception.media.video import VideoWriter
from frm_perception.ros.demo.pictures import Picture
from frm_perception.ros.demo.pictures import answered_picture
from frm_perception.ros.demo.pictures import choose
from frm_perception.ros.demo.pictures import sheet
from frm_perception.ros.demo.pictures import unanswered_picture
from frm_perception.ros.demo.pictures import video_frame
from frm_perception.ros.demo.recorder import read_answer
from frm_perception.ros.demo.recording import Recording
from frm_perception.ros.demo.source import Source

VIDEO = f'overlay{SUFFIX}'
SHEET = 'contact_sheet.png'


@dataclass(frozen=True)
class Accuracy:
    """
    How well the answers agree with known labels, over all answered frames.

    :param drivable_iou: intersection over union of the drivable mask.
    :param class_iou: of every class that occurs; empty where the model has other classes than the
        labels.
    """

    drivable_iou: float
    class_iou: Mapping[str, float]

    @property
    def mean_iou(self) -> float:
        """Return the mean over the classes that occur; NaN if there are none."""
        return float(np.mean(list(self.class_iou.values()))) if self.class_iou else math.nan


class Drawing:
    """
    Draws a recording.

    :param answers: folder of the recorder's masks.
    :param space: the model's classes and colours.
    """

    def __init__(self, source: Source, recording: Recording, answers: Path,
                 space: LabelSpace) -> None:
        self._source = source
        self._recording = recording
        self._answers = answers
        self._space = space
        self._drivable = BinaryIoU()
        self._confusion = ConfusionMatrix(space.classes)
        self._labels_known = False
        self.frames: list[dict[str, object]] = []

    def draw(self, output: Path) -> Accuracy | None:
        """
        Write video and contact sheet into a folder; fill :attr:`frames` with a row for each.

        :return: None where no labels are known.
        """
        engine = self._recording.diagnosis.engine
        note = f'{engine["model"]}, {engine["resolution"]}, {engine["provider"]}'
        sent = self._recording.sent
        chosen = choose([index for index, stamp in enumerate(sent)
                         if stamp in self._recording.latency_ms])
        tiles: list[tuple[str, Picture]] = []
        with VideoWriter(output / VIDEO, self._source.rate) as video:
            frames = tqdm(zip(sent, self._source), total=len(sent), desc='drawing', unit='frame')
            for index, (stamp, frame) in enumerate(frames):
                picture, caption, answered = self._draw_frame(index, stamp, frame)
                video.write(video_frame(
                    frame.image, picture, caption, note, answered, self._space))
                if index in chosen:
                    tiles.append((caption, picture))
        accuracy = self._accuracy()
        write_image(output / SHEET, sheet(tiles, *self._header(accuracy), self._space))
        return accuracy

    def _draw_frame(self, index: int, stamp: int, frame: Frame) -> tuple[Picture, str, bool]:
        latency = self._recording.latency_ms.get(stamp)
        row: dict[str, object] = {'index': index, 'stamp_ns': stamp, 'latency_ms': latency}
        self.frames.append(row)
        caption = f'frame {index + 1} of {len(self._recording.sent)}'
        if latency is None:
            return unanswered_picture(frame.image), f'{caption}   no answer', False
        label, drivable = read_answer(self._answers, stamp)
        caption = f'{caption}   {latency:.0f} ms'
        if frame.labels is not None:
            iou = self._compare(frame.labels, label, drivable)
            row['drivable_iou'] = None if math.isnan(iou) else iou
            caption = f'{caption}   drivable IoU {iou:.3f}'
        return answered_picture(frame.image, label, drivable, self._space), caption, True

    def _compare(self, truth: NDArray[np.uint8], label: NDArray[np.uint8],
                 drivable: NDArray[np.uint8]) -> float:
        """Count a frame whose labels are known (as CamVid's) and return its drivable IoU."""
        self._labels_known = True
        true_mask = CAMVID.drivable_lut()[truth] != 0
        own = BinaryIoU()
        for measure in (own, self._drivable):
            measure.update(true_mask, drivable != 0)
        if self._space.classes == CAMVID.classes:
            self._confusion.update(truth, label)
        return own.iou()

    def _accuracy(self) -> Accuracy | None:
        if not self._labels_known:
            return None
        class_iou = {name: float(iou) for name, iou in
                     zip(self._space.classes, self._confusion.iou()) if not math.isnan(iou)}
        return Accuracy(self._drivable.iou(), class_iou)

    def _header(self, accuracy: Accuracy | None) -> tuple[str, Sequence[str]]:
        engine = self._recording.diagnosis.engine
        latency = percentiles(list(self._recording.latency_ms.values()))
        frames = self._recording.frames()
        figures = (f'{frames["answered"]} of {frames["sent"]} frames answered at '
                   f'{self._source.rate:g} Hz   stamp to mask over ROS 2: '
                   f'p50 {latency["p50"]:.0f} ms, p95 {latency["p95"]:.0f} ms, '
                   f'p99 {latency["p99"]:.0f} ms')
        if accuracy is not None:
            figures += f'   drivable IoU {accuracy.drivable_iou:.3f}'
        return engine['model'], [
            f'network input {engine["resolution"]}   {engine["precision"]}   '
            f'{engine["provider"]}', figures]
