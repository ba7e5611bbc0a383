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
"""
The accuracy gate: what a variant of a model costs against full precision, and what it may cost.

Every precision but fp32 passes it, or does not enter a bundle. Both files label the same images;
how many pixels keep their label, and, where the true labels are known, what mean IoU and drivable
IoU lose, must stay within limits. What cannot be measured is limited by nothing, and said so.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.metrics import ConfusionMatrix
from frm_perception.evaluation.segmentation_score import SegmentationScore
from frm_perception.media.frames import FrameSource
from frm_perception.media.frames import spread
from frm_perception.media.labelled_images import LabelledImage
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

Image = NDArray[np.uint8]
Target = NDArray[np.uint8]

MOST_UNLABELLED = 200
"""Images that are enough where only labels of two precisions are compared: millions of pixels."""

LOSSES = {'mean_iou': 'mean IoU', 'drivable_iou': 'drivable IoU'}
"""Figures whose loss is limited where the labels tell it, and their names for people."""


@dataclass(frozen=True)
class Limits:
    """
    What a variant may cost.

    :param agreement: least share of the pixels that keep the label of full precision, 0..1.
    :param mean_iou_loss: most that the mean IoU may lose, 0..1.
    :param drivable_iou_loss: most that the drivable IoU may lose, 0..1.
    :param demanded: keys of :data:`LOSSES` whose limits are not to be passed unmeasured.
    """

    agreement: float
    mean_iou_loss: float
    drivable_iou_loss: float
    demanded: tuple[str, ...] = ()


_SIXTEEN_BITS = Limits(0.995, 0.005, 0.005)
_EIGHT_BITS = Limits(0.98, 0.01, 0.005)
DEFAULT_LIMITS = {'fp16': _SIXTEEN_BITS, 'bf16': _SIXTEEN_BITS, 'int8': _EIGHT_BITS,
                  'int8-tensorrt': _EIGHT_BITS}
"""By precision; these are all that there are besides fp32."""


@dataclass(frozen=True)
class GateImages:
    """
    Images on which a variant is compared with full precision.

    :param name: what they are, for manifest, card and messages.
    :param count: how many there are, as far as is known.
    :param read: yields each (H, W, 3) uint8 RGB with its (H, W) uint8 labels, None without.
    :param comparison: what the ids of model and labels mean to each other; None without labels.
    """

    name: str
    count: int
    read: Callable[[], Iterator[tuple[Image, Target | None]]]
    comparison: Comparison | None

    @property
    def tell(self) -> tuple[str, ...]:
        """Keys of :data:`LOSSES` that labels of this kind can tell."""
        if self.comparison is None:
            return ()
        return ('drivable_iou',) if self.comparison.drivable_alone else tuple(LOSSES)

    @classmethod
    def labelled(cls, items: Sequence[LabelledImage], comparison: Comparison, name: str
                 ) -> GateImages:
        """Take images with labels; reading raises DataError where one is unreadable."""
        return cls(name, len(items), lambda: (item.read() for item in items), comparison)

    @classmethod
    def unlabelled(cls, frames: FrameSource, name: str) -> GateImages:
        """
        Take up to :data:`MOST_UNLABELLED` frames, evenly spread.

        Reading raises MediaError where one is unreadable.
        """
        return cls(name, min(len(frames), MOST_UNLABELLED),
                   lambda: ((frame.image, None) for frame in spread(frames, MOST_UNLABELLED)),
                   None)


class GateError(ValueError):
    """A variant costs more than is allowed; message and ``figures`` say how much."""

    def __init__(self, message: str, figures: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.figures = figures


def refuse_unmeasured(images: GateImages, limits: Limits, measured: Collection[str]) -> None:
    """
    See that every limit that somebody demanded has a figure.

    :param measured: keys of :data:`LOSSES`.
    :raises ValueError: one has none; the message says what is missing.
    """
    for key in limits.demanded:
        if key in measured:
            continue
        if images.comparison is None:
            missing = 'these images have no labels (give --labels)'
        elif key not in images.tell:
            missing = ('their labels only tell what is drivable (give labels of the classes with '
                       '--label-space)')
        else:
            missing = 'nothing of it is in their labels (give images that show it)'
        raise ValueError(f'{images.name}: the loss of {LOSSES[key]} is limited, but cannot be '
                         f'measured: {missing}, or leave its limit out')


def pass_gate(bundle: Bundle, precision: str, images: GateImages, limits: Limits,
              provider: str = 'cpu') -> dict[str, Any]:
    """
    Compare a precision of a bundle with its fp32, which runs in ONNX Runtime on the CPU.

    Both at the bundle's default resolution; labels are compared at the size of the images.

    :param provider: what the variant is to be computed by; nothing else may do it, and another one
        than the CPU in no other precision.
    :return: what the manifest says under ``gate``: the figures, None where the labels tell
        nothing of one, of what they are, and the limits that were checked.
    :raises GateError: a limit is not kept.
    :raises ValueError: there are no images, one cannot be read, or they do not tell a loss whose
        limit is demanded.
    :raises EngineError: a model does not run, or ``provider`` does not do it.
    """
    # The CPU computes any file, and what it computes it in is the file's affair: in the manifest.
    required = provider != 'cpu'
    agreement = ConfusionMatrix(bundle.label_space.classes)
    scores = ([SegmentationScore(images.comparison) for _ in range(2)]
              if images.comparison else [])
    count = 0
    with Segmenter.load(bundle, provider='cpu') as full, \
            Segmenter.load(bundle, precision=precision, provider=provider,
                           require_provider=required) as variant:
        for image, target in tqdm(images.read(), f'fp32 and {precision}', images.count,
                                  unit='image', disable=None):
            both = [segmenter.segment(image) for segmenter in (full, variant)]
            agreement.update(both[0].labels, both[1].labels)
            for score, found in zip(scores, both):
                assert target is not None
                score.update(target, found)
            count += 1
        info = variant.info
    if not count:
        raise ValueError(f'{images.name}: there are no images to compare {precision} with fp32 on')
    figures: dict[str, Any] = {
        'on': images.name, 'images': count, 'resolution': '{}x{}'.format(*info.resolution),
        'provider': info.provider, 'computed_in': info.precision_run,
        'label_agreement': round(agreement.pixel_accuracy(), 6), **_losses(*scores)}
    measured = [key for key in LOSSES if figures[key] is not None]
    refuse_unmeasured(images, limits, measured)
    losses = {f'{key}_loss' for key in measured}
    figures['limits'] = {key: value for key, value in asdict(limits).items()
                         if key == 'agreement' or key in losses}
    _check(precision, figures)
    return figures


def words(figures: Mapping[str, Any]) -> str:
    """Return the figures of :func:`pass_gate` for people, without the limits."""
    parts = [f'{figures["label_agreement"]:.2%} of the pixels keep the label of fp32']
    for key, name in LOSSES.items():
        if figures.get(key) is None:
            parts.append(f'{name} was not measured')
        else:
            parts.append(f'{name} is {figures[key]:.2%}, a loss of '
                         f'{_points(figures[f"{key}_loss"])} points')
    return (f'on {figures["images"]} images ({figures["on"]}) at {figures["resolution"]}, '
            f'computed by {figures["provider"]}, {"; ".join(parts)}')


def limits_words(figures: Mapping[str, Any]) -> str:
    """
    Return the limits of :func:`pass_gate` for people.

    Manifests of older programs have limits of what was not measured, too; they are left out.
    """
    limits = figures['limits']
    losses = [f'{_points(limits[f"{key}_loss"])} points of {name}'
              for key, name in LOSSES.items() if figures.get(key) is not None]
    text = f'at least {limits["agreement"]:.2%} of the labels'
    return f'{text}, at most {" and ".join(losses)} lost' if losses else text


def _points(share: float) -> str:
    """Return a share in points; what rounds to nothing has no sign."""
    return f'{round(100 * share, 2) + 0.0:.2f}'


def _losses(*scores: SegmentationScore) -> dict[str, float | None]:
    """Return the variant's figures, and what they lack of those of full precision."""
    full, variant = (score.result() for score in scores) if scores else ({}, {})
    figures: dict[str, float | None] = {}
    for key in LOSSES:
        before, after = full.get(key), variant.get(key)
        figures[key] = None
        # Labels may tell nothing of a figure: those of what is drivable nothing of the classes.
        if before is not None and after is not None:
            figures[key] = round(after, 6)
            figures[f'{key}_loss'] = round(before - after, 6)
    return figures


def _check(precision: str, figures: Mapping[str, Any]) -> None:
    limits = figures['limits']
    losses = all(figures[key] <= limit for key, limit in limits.items() if key != 'agreement')
    if not (figures['label_agreement'] >= limits['agreement'] and losses):
        raise GateError(f'{precision} is refused: {words(figures)}; the limits are '
                        f'{limits_words(figures)}. Nothing was written.', figures)
