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
"""A camera image in, its labels and its drivable area out."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import LabelSpace
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.geometry import Letterbox
from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.pixels import check_image
from frm_perception.runtime.upsampling import upsampling

OUTPUT_SIZES = ('camera', 'network')


@dataclass(frozen=True)
class SegmenterInfo:
    """
    What a segmenter really works with.

    :param bundle: name of the model bundle.
    :param resolution: (height, width) of the network's input.
    :param precision: as asked; the bundle's model of that name is what runs.
    :param precision_run: what the network really computes in, as the first inference showed.
    :param provider: where the network really runs, as the first inference showed.
    :param fallback: what differs from ``provider_asked`` or ``precision``, in words; None if
        nothing does.
    :param note: what else is worth knowing, such as what provider 'auto' would have taken and
        could not, in words, or None.
    :param threads: how many one inference uses.
    """

    bundle: str
    network: str
    backbone: str
    resolution: tuple[int, int]
    precision: str
    precision_run: str
    provider_asked: str
    provider: str
    fallback: str | None
    note: str | None
    threads: int


@dataclass(frozen=True)
class Segmentation:
    """
    What is known about one image.

    :param labels: (H, W) uint8 class ids.
    :param drivable: (H, W) uint8, 255 where a vehicle may drive, else 0.
    :param timings: milliseconds of 'prepare', 'infer' and 'decide'.
    :param confidence: (H, W) uint8, 255 times the softmax probability of the label, rounded;
        None unless asked for.
    """

    labels: NDArray[np.uint8]
    drivable: NDArray[np.uint8]
    timings: Mapping[str, float]
    confidence: NDArray[np.uint8] | None = None


class Segmenter:
    """
    A loaded network with everything around it; make one with :meth:`load`.

    A ``with`` statement closes it at the end. Not for use by several threads at once. ONNX
    Runtime, OpenCV and most of the array work release the interpreter's lock, so other threads
    go on meanwhile.
    """

    def __init__(self, bundle: Bundle, engine: Engine, info: SegmenterInfo,
                 drivable_classes: Sequence[str]) -> None:
        self.info = info
        self.label_space: LabelSpace = bundle.label_space
        self._engine = engine
        self._padding = bundle.input.padding
        self._stride = bundle.output.stride
        self._drivable = bundle.label_space.drivable_lut(drivable_classes)
        self._batch = engine.buffer()

    @classmethod
    def load(cls, bundle: Bundle, *, resolution: str = 'auto', precision: str = 'fp32',
             provider: str = 'auto', require_provider: bool = False, threads: int = 0,
             drivable_classes: Sequence[str] = (),
             cache: EngineCache | None = None) -> Segmenter:
        """
        Verify and load a bundle's model, prove where it runs, and warm up.

        :param resolution: 'auto' or 'HEIGHTxWIDTH' of the network's input.
        :param precision: one of the bundle's; 'bf16' is computed by OpenVINO alone.
        :param provider: one of :data:`frm_perception.runtime.engines.PROVIDERS`.
        :param require_provider: refuse to load unless provider and precision are what really runs.
        :param threads: of one inference, and of OpenCV in this process; 0 leaves other programs
            room, see :func:`frm_perception.runtime.threads.thread_count`.
        :param drivable_classes: names that count as drivable; empty means the bundle's own.
        :param cache: where engines are kept that take long to build; None keeps nothing.
        :raises ValueError: a value that is not possible; the message says what is.
        :raises BundleError: the model is damaged or is not what its manifest says.
        :raises ProviderError: ``require_provider`` and the work is done by another provider or in
            another precision.
        :raises EngineError: the runtime is missing or cannot load or run the model.
        """
        size = parse_resolution(resolution, bundle)
        bundle.label_space.drivable_lut(drivable_classes)
        engine = open_engine(
            bundle.verified_model(precision), str(bundle.folder / bundle.entry(precision).file),
            EngineOptions(provider, precision, require_provider, threads, size, cache))
        cv2.setNumThreads(engine.threads)
        _check_against_manifest(engine, bundle, precision, size)
        info = SegmenterInfo(
            bundle=bundle.name, network=bundle.network, backbone=bundle.backbone, resolution=size,
            precision=precision, precision_run=engine.precision, provider_asked=provider,
            provider=engine.provider, fallback=engine.fallback, note=engine.note,
            threads=engine.threads)
        return cls(bundle, engine, info, drivable_classes)

    def segment(self, image: NDArray[np.uint8], encoding: str = 'rgb8',
                output_size: str = 'camera', confidence: bool = False) -> Segmentation:
        """
        Label one image.

        :param image: (H, W, channels) uint8, or (H, W) for 'mono8'; rows may be padded.
        :param encoding: 'rgb8', 'bgr8', 'rgba8', 'bgra8' or 'mono8'.
        :param output_size: 'camera' for labels of the image's size, 'network' for labels of the
            image as the network saw it, without the border around it.
        :param confidence: also compute the confidence; 'timings' leave that out.
        :raises ValueError: the image is not what the encoding says, or an unknown word.
        :raises EngineError: the network failed.
        """
        if output_size not in OUTPUT_SIZES:
            raise ValueError(
                f'unknown output size {output_size!r}; choose from {", ".join(OUTPUT_SIZES)}')
        check_image(image, encoding)
        started = perf_counter()
        letterbox = Letterbox.fit((image.shape[0], image.shape[1]), self.info.resolution,
                                  self._stride)
        letterbox.forward(image, encoding, self._batch[0], self._padding)
        prepared = perf_counter()
        logits = self._engine.infer(self._batch)[0]
        inferred = perf_counter()
        size = letterbox.image if output_size == 'camera' else letterbox.content
        enlarged = upsampling(letterbox, self._stride, size)
        labels = enlarged.labels(logits)
        drivable: NDArray[np.uint8] = np.asarray(cv2.LUT(labels, self._drivable), np.uint8)
        decided = perf_counter()
        timings = {'prepare': (prepared - started) * 1e3, 'infer': (inferred - prepared) * 1e3,
                   'decide': (decided - inferred) * 1e3}
        return Segmentation(labels, drivable, timings,
                            enlarged.confidence(logits) if confidence else None)

    def close(self) -> None:
        """Free the network and its memory; the segmenter cannot be used any more."""
        self._engine.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_against_manifest(engine: Engine, bundle: Bundle, precision: str,
                            size: tuple[int, int]) -> None:
    """Refuse a model whose tensors are not those that the manifest describes."""
    stride = bundle.output.stride
    classes = len(bundle.label_space.classes)
    checks = (
        ('input name', bundle.input.name, engine.input.name),
        ('output name', bundle.output.name, engine.output.name),
        (f'output shape for an input of {size}', (1, classes, *(side // stride for side in size)),
         engine.first_shape))
    for what, expected, found in checks:
        if expected != found:
            raise BundleError(
                f'{bundle.folder / bundle.entry(precision).file} does not fit its manifest: '
                f'{what} is {found}, the manifest says {expected}. Copy the bundle again, or '
                f'export it again.')
