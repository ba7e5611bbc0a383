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
"""What the frames of a drive have their labels from."""

from __future__ import annotations

from collections.abc import Generator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from typing import Any
from typing import Protocol

from frm_perception.evaluation.drive.ahead import ahead
from frm_perception.evaluation.drive.frame_reader import FrameImage
from frm_perception.evaluation.drive.images import DecodedImage
from frm_perception.evaluation.drive.images import Reduction
from frm_perception.evaluation.drive.scorer import FrameLabels
from frm_perception.labels import LabelSpace
from frm_perception.runtime.segmenter import Inferred
from frm_perception.runtime.segmenter import Request
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.threads import core_count

_DECODED_AHEAD = 3
_INFERRED_AHEAD = 2

_ON_CPU = ('cpu', 'openvino')

_InferredFrames = Generator[tuple[FrameImage, list[Inferred]], None, None]


class Labeller(Protocol):
    """A model, or somebody who has asked one before."""

    @property
    def label_space(self) -> LabelSpace:
        """What the labels mean."""

    @property
    def second_space(self) -> LabelSpace | None:
        """What those of the second model mean; None without one."""

    @property
    def reductions(self) -> Sequence[Reduction]:
        """How small images may be decoded, for each model."""

    def describe(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the model and the second one, if there is one, for a report."""

    def label(self, frames: Generator[FrameImage, None, None]
              ) -> Generator[tuple[FrameImage, FrameLabels], None, None]:
        """
        Yield the frames that have labels, in their order, with these.

        :raises EngineError: a network failed.
        """

    def show(self, camera: str, index: int, image: DecodedImage) -> FrameLabels:
        """
        Return the labels of a frame once more, for a picture.

        :param camera: topic of the image.
        :param index: number of the message.
        :raises EngineError: the network failed.
        """


class ModelLabeller:
    """
    Asks a model, and a second one if need be.

    :param second: a model whose labels are compared with the model's.
    """

    def __init__(self, segmenter: Segmenter, second: Segmenter | None = None) -> None:
        self._segmenters = [segmenter] if second is None else [segmenter, second]
        self._fill_cores = all(model.info.provider in _ON_CPU
                               and model.info.threads >= core_count()
                               for model in self._segmenters)

    @property
    def label_space(self) -> LabelSpace:
        """What the labels mean."""
        return self._segmenters[0].label_space

    @property
    def second_space(self) -> LabelSpace | None:
        """What those of the second model mean; None without one."""
        return self._segmenters[1].label_space if len(self._segmenters) > 1 else None

    @property
    def reductions(self) -> Sequence[Reduction]:
        """How small images may be decoded, for each model."""
        return [segmenter.reduction for segmenter in self._segmenters]

    def describe(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the model and the second one, if there is one, for a report."""
        model, *second = map(_model, self._segmenters)
        return model, second[0] if second else None

    def label(self, frames: Generator[FrameImage, None, None]
              ) -> Generator[tuple[FrameImage, FrameLabels], None, None]:
        """
        Yield all frames in their order with their labels, and read them in a thread.

        :raises EngineError: a network failed.
        """
        inferred = self._in_turn(frames) if self._fill_cores else self._at_once(frames)
        with closing(inferred):
            for frame, results in inferred:
                yield frame, self._finish(frame, results)

    def show(self, camera: str, index: int, image: DecodedImage) -> FrameLabels:
        """
        Return the labels of a frame once more, for a picture.

        :raises EngineError: the network failed.
        """
        found = self._segmenters[0].segment(
            image.pixels, image.encoding, reduction=image.reduction)
        return FrameLabels(found.labels, found.drivable, found.timings)

    def _at_once(self, frames: Generator[FrameImage, None, None]) -> _InferredFrames:
        """Read, infer, and let the caller go on with the results, all at the same time."""
        return ahead(self._each(ahead(frames, _DECODED_AHEAD)), _INFERRED_AHEAD)

    def _in_turn(self, frames: Generator[FrameImage, None, None]) -> _InferredFrames:
        """
        Infer, then read the next frame while the caller goes on with the results.

        The threads of a network wait for one another at every operator. Where one of them has
        lost its core to other work, the others wait as well, and that work costs them all.
        """
        with ThreadPoolExecutor(1) as reading:
            try:
                following = reading.submit(next, frames, None)
                while (frame := following.result()) is not None:
                    inferred = self._infer(frame)
                    following = reading.submit(next, frames, None)
                    yield frame, inferred
            finally:
                reading.submit(frames.close).result()

    def _each(self, frames: Generator[FrameImage, None, None]) -> _InferredFrames:
        with closing(frames):
            for frame in frames:
                yield frame, self._infer(frame)

    def _infer(self, frame: FrameImage) -> list[Inferred]:
        return [segmenter.infer([Request(image.pixels, image.encoding,
                                         reduction=image.reduction)])[0]
                for segmenter, image in zip(self._segmenters, frame.images, strict=True)]

    def _finish(self, frame: FrameImage, inferred: Sequence[Inferred]) -> FrameLabels:
        first = self._segmenters[0]
        found = first.finish(inferred[0])
        second = None
        if len(inferred) > 1:
            second = self._segmenters[1].finish(inferred[1]).labels
        stages = {'decode': frame.decode_ms, **found.timings}
        return FrameLabels(found.labels, found.drivable, {**stages, 'total': sum(stages.values())},
                           first.cell_confidence(inferred[0]), second)


def _model(segmenter: Segmenter) -> dict[str, Any]:
    entry = segmenter.bundle.entry(segmenter.info.precision)
    return {**asdict(segmenter.info), 'file': str(segmenter.bundle.folder / entry.file),
            'sha256': entry.sha256, 'label_space': segmenter.label_space.name}
