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
"""All figures that tell how good a model's labels are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.boundary import BoundaryIoU
from frm_perception.evaluation.calibration import Calibration
from frm_perception.evaluation.comparison import DRIVABLE_CLASSES
from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.metrics import known
from frm_perception.evaluation.metrics import known_by_name
from frm_perception.labels import IGNORE
from frm_perception.runtime.segmenter import Segmentation


class SegmentationScore:
    """
    Every figure of `frm evaluate`, over any number of images; docs/evaluation.md defines them.

    :param comparison: what the ids of the model and of the truth mean to each other.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._images = 0
        self._classes = ConfusionMatrix(comparison.classes)
        self._contours = BoundaryIoU(comparison.classes)
        self._drivable = ConfusionMatrix(DRIVABLE_CLASSES)
        self._drivable_contours = BoundaryIoU(DRIVABLE_CLASSES)
        self._calibration = Calibration()

    def update(self, target: NDArray[np.uint8], segmentation: Segmentation) -> float:
        """
        Count an image; its calibration too, where the segmentation has a confidence.

        :param target: (H, W) uint8 ids of the data.
        :return: the IoU of this image's drivable area; NaN where there is none, nor predicted.
        :raises ValueError: the sizes differ.
        """
        comparison = self._comparison
        truth = comparison.target_table[target]
        found = comparison.prediction_table[segmentation.labels]
        drivable = comparison.drivable_target[target]
        drivable_found = comparison.drivable_prediction[segmentation.labels]
        image = ConfusionMatrix(DRIVABLE_CLASSES)
        image.update(drivable, drivable_found)
        self._images += 1
        self._drivable.counts += image.counts
        self._drivable_contours.update(drivable, drivable_found)
        if not comparison.drivable_alone:
            self._classes.update(truth, found)
            self._contours.update(truth, found)
        if segmentation.confidence is not None:
            counted = truth != IGNORE
            self._calibration.update(truth[counted] == found[counted],
                                     segmentation.confidence[counted])
        return float(image.iou()[0])

    def result(self) -> dict[str, Any]:
        """Return the figures, ready for JSON; None where nothing was seen of what they measure."""
        figures: dict[str, Any] = {'images': self._images}
        if not self._comparison.drivable_alone:
            figures |= {
                'mean_iou': known(self._classes.mean_iou()),
                'iou': known_by_name(self._classes.classes, self._classes.iou()),
                'pixel_accuracy': known(self._classes.pixel_accuracy()),
                'mean_boundary_iou': known(self._contours.mean_iou()),
                'boundary_iou': known_by_name(self._contours.classes, self._contours.iou())}
        return {
            **figures,
            'drivable_iou': known(self._drivable.iou()[0]),
            'drivable_precision': known(self._drivable.precision()[0]),
            'drivable_recall': known(self._drivable.recall()[0]),
            'drivable_boundary_iou': known(self._drivable_contours.iou()[0]),
            'calibration': {
                'ece': known(self._calibration.error()),
                'bins': [{**row, 'confidence': known(row['confidence']),
                          'accuracy': known(row['accuracy'])}
                         for row in self._calibration.bins()]},
            'confusion': (self._drivable if self._comparison.drivable_alone
                          else self._classes).to_json()}
