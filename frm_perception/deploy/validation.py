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
"""What a bundle reaches on images that its training held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.deploy.data_sources import drive
from frm_perception.deploy.failures import RANKED_BY
from frm_perception.deploy.failures import Failure
from frm_perception.deploy.failures import worst
from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.segmentation_score import SegmentationScore
from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.training.config import TrainingConfig
from frm_perception.training.data import LabelledImage
from frm_perception.training.data import held_out_sources

Image = NDArray[np.uint8]

FIGURES = {
    'mean_iou': 'mean IoU', 'drivable_iou': 'drivable IoU', 'pixel_accuracy': 'pixel accuracy',
    'mean_boundary_iou': 'mean boundary IoU', 'drivable_boundary_iou': 'drivable boundary IoU',
    'calibration_error': 'calibration error'}
"""Figures of `frm evaluate` that manifest and card have, and their names for people."""


@dataclass(frozen=True)
class HeldOutImage:
    """
    A labelled image that a run did not train on.

    :param drive: tells it apart from the drives of other data.
    :param table: (256,) uint8 from ids in the file to class ids; what is none of them is unknown.
    """

    item: LabelledImage
    drive: tuple[str, str]
    table: NDArray[np.uint8]
    space: LabelSpace

    def read(self) -> tuple[Image, Image]:
        """
        Return (H, W, 3) uint8 RGB and (H, W) uint8 class ids, IGNORE where unknown.

        :raises DataError: it is unreadable.
        """
        image, labels = self.item.read()
        target = self.table[labels]
        # A label coarser than the classes says nothing of which of them is right.
        target[target >= len(self.space.classes)] = IGNORE
        return image, target


def held_out_images(config: TrainingConfig, space: LabelSpace) -> list[HeldOutImage]:
    """
    List what a run holds out.

    :raises DataError: it is not usable.
    """
    sources = held_out_sources(config, space)
    return [HeldOutImage(item, drive(data, item), source.table, space)
            for data, source in zip(config.held_out, sources, strict=True)
            for item in source.images]


@dataclass(frozen=True)
class Measurement:
    """
    What was measured of one file of a bundle.

    :param figures: as the manifest has them: of all images together, and under 'sequences' by
        the name of each sequence.
    :param worst: the images it is worst on, by :data:`RANKED_BY`.
    """

    figures: dict[str, Any]
    worst: dict[str, list[Failure]]


def measure(bundle: Bundle, precision: str, images: Sequence[HeldOutImage]) -> Measurement:
    """
    Measure a bundle at its default resolution, as `frm evaluate` does.

    :raises DataError: an image is unreadable.
    """
    space = bundle.label_space
    comparison = Comparison.between(space, space)
    together = SegmentationScore(comparison)
    sequences = {item.item.sequence: SegmentationScore(comparison) for item in images}
    lowest: dict[str, list[Failure]] = {key: [] for key in RANKED_BY}
    with Segmenter.load(bundle, precision=precision) as segmenter:
        for item in tqdm(images, f'held out, {precision}', unit='image'):
            image, target = item.read()
            segmentation = segmenter.segment(image, confidence=True)
            drivable_iou = together.update(target, segmentation)
            sequences[item.item.sequence].update(target, segmentation)
            classes = ConfusionMatrix(space.classes)
            classes.update(target, segmentation.labels)
            failure = Failure(item.item.image.stem, image, target, segmentation.labels, {
                'drivable_iou': _rounded(drivable_iou),
                'mean_iou': _rounded(classes.mean_iou())})
            lowest = {key: worst([*kept, failure], key) for key, kept in lowest.items()}
        info = segmenter.info
    return Measurement({
        'resolution': '{}x{}'.format(*info.resolution), 'provider': info.provider,
        **_figures(together),
        'sequences': {name: _figures(sequences[name]) for name in sorted(sequences)}}, lowest)


def _figures(score: SegmentationScore) -> dict[str, Any]:
    result = score.result()
    result['calibration_error'] = result['calibration']['ece']
    iou = {name: _rounded(value) for name, value in result['iou'].items()}
    return {'images': result['images'],
            **{key: _rounded(result[key]) for key in FIGURES}, 'iou': iou}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None or np.isnan(figure) else round(float(figure), 4)
