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
from dataclasses import replace
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace
from frm_perception.runtime.batches import choose_batch
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import by_class
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.geometry import Geometry
from frm_perception.runtime.geometry import View
from frm_perception.runtime.kernels.choice import load_kernels
from frm_perception.runtime.kernels.contract import Kernels
from frm_perception.runtime.kernels.sampling import sampling
from frm_perception.runtime.manifest_check import check_against_manifest
from frm_perception.runtime.pictures import REDUCTIONS
from frm_perception.runtime.pictures import PictureHeader
from frm_perception.runtime.pictures import decode_picture
from frm_perception.runtime.pictures import read_header
from frm_perception.runtime.pixels import check_image

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
    :param batch: so many images are computed in one inference at most.
    :param batch_note: what was measured of batches, in words; None where none were asked for.
    :param fit: how images are fitted into the network's input.
    :param kernels: what computes labels from logits: numba or numpy, with its version.
    :param kernels_note: what is wrong with ``kernels``, in words; None if nothing is.
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
    batch: int
    batch_note: str | None
    fit: str
    kernels: str
    kernels_note: str | None


@dataclass(frozen=True)
class Segmentation:
    """
    What is known about one image.

    Pixels that the network did not see, because of a crop, are labelled IGNORE (255), are not
    drivable and have confidence 0.

    :param labels: (H, W) uint8 class ids.
    :param drivable: (H, W) uint8, 255 where a vehicle may drive, else 0.
    :param timings: milliseconds of 'decode' (of a compressed image), 'prepare', 'infer',
        'decide' (the labels), 'drivable' and 'confidence' (where asked for), in that order.
    :param geometry: where the camera image lies in the network's input.
    :param shows: the part of the camera image that the results show: all of it, or with output
        size 'network' what the network saw.
    :param confidence: (H, W) uint8, 255 times the softmax probability of the label, rounded;
        None unless asked for.
    """

    labels: NDArray[np.uint8]
    drivable: NDArray[np.uint8]
    timings: Mapping[str, float]
    geometry: Geometry
    shows: View
    confidence: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Request:
    """
    An image and what is asked of it; the parameters of :meth:`Segmenter.segment` say more.

    :param image: (H, W, channels) or (H, W) uint8.
    """

    image: NDArray[np.uint8]
    encoding: str = 'rgb8'
    output_size: str = 'camera'
    confidence: bool = False
    drivable: DrivableFilter | None = None
    stamp_ns: int | None = None
    reduction: int = 1


@dataclass(frozen=True)
class Inferred:
    """
    What the network made of a request.

    :param seen: where the request's image lies in the network's input.
    :param logits: (C, h, w) float32.
    :param timings: milliseconds of 'prepare' and 'infer'; the latter is that of the whole batch.
    """

    request: Request
    seen: Geometry
    logits: NDArray[np.float32]
    timings: Mapping[str, float]


class Segmenter:
    """
    A loaded network with everything around it; make one with :meth:`load`.

    A ``with`` statement closes it at the end. Not for use by several threads at once, but that
    one may :meth:`infer` while another finishes what was inferred. ONNX Runtime, OpenCV and most
    of the array work release the interpreter's lock, so other threads go on meanwhile.
    """

    def __init__(self, bundle: Bundle, engine: Engine, kernels: Kernels, info: SegmenterInfo,
                 drivable_classes: Sequence[str]) -> None:
        self.info = info
        self.bundle = bundle
        self.label_space: LabelSpace = bundle.label_space
        self._engine = engine
        self._kernels = kernels
        self._padding = bundle.input.padding
        self._stride = bundle.output.stride
        self._drivable = bundle.label_space.drivable_lut(drivable_classes)
        self._buffers = {1: engine.buffer()}

    @classmethod
    def load(cls, bundle: Bundle, *, resolution: str = 'auto', precision: str = 'fp32',
             provider: str = 'auto', require_provider: bool = False, threads: int = 0,
             drivable_classes: Sequence[str] = (), fit: str = 'letterbox',
             cache: EngineCache | None = None, max_batch: int = 1, waiting: int = 1,
             dla_core: int = -1, max_gpu_memory_mib: int = 0) -> Segmenter:
        """
        Verify and load a bundle's model, prove where it runs, and warm up.

        :param resolution: 'auto' or 'HEIGHTxWIDTH' of the network's input.
        :param precision: one of the bundle's; 'bf16' is computed by OpenVINO alone.
        :param provider: one of :data:`frm_perception.runtime.engines.PROVIDERS`.
        :param require_provider: refuse to load unless provider and precision are what really runs.
        :param threads: of one inference, and of OpenCV in this process; 0 leaves other programs
            room, see :func:`frm_perception.runtime.threads.thread_count`.
        :param drivable_classes: names that count as drivable; empty means the bundle's own.
        :param fit: one of :data:`frm_perception.runtime.geometry.FITS`.
        :param cache: where engines are kept that take long to build; None keeps nothing.
        :param max_batch: and waiting, see :func:`~frm_perception.runtime.batches.choose_batch`.
        :param dla_core: and max_gpu_memory_mib, see
            :class:`~frm_perception.runtime.engines.EngineOptions`.
        :raises ValueError: a value that is not possible; the message says what is.
        :raises BundleError: the model is damaged or is not what its manifest says.
        :raises ProviderError: ``require_provider``, and another provider or precision is used.
        :raises EngineError: the runtime is missing or cannot load or run the model.
        """
        size = parse_resolution(resolution, bundle)
        Geometry.fit(size, size, bundle.output.stride, fit)
        bundle.label_space.drivable_lut(drivable_classes)
        kernels, kernels_note = load_kernels()
        engine = open_engine(
            bundle.verified_model(precision), str(bundle.folder / bundle.entry(precision).file),
            EngineOptions(provider, precision, require_provider, threads, size, bundle.network,
                          cache, dla_core, max_gpu_memory_mib))
        cv2.setNumThreads(engine.threads)
        check_against_manifest(engine, bundle, precision, size)
        batch = choose_batch(engine, max_batch, waiting)
        info = SegmenterInfo(
            bundle=bundle.name, network=bundle.network, backbone=bundle.backbone, resolution=size,
            precision=precision, precision_run=engine.precision, provider_asked=provider,
            provider=engine.provider, fallback=engine.fallback, note=engine.note,
            threads=engine.threads, batch=batch.most, batch_note=batch.note, fit=fit,
            kernels=kernels.name, kernels_note=kernels_note)
        return cls(bundle, engine, kernels, info, drivable_classes)

    def segment(self, image: NDArray[np.uint8], encoding: str = 'rgb8',
                output_size: str = 'camera', confidence: bool = False, *,
                drivable: DrivableFilter | None = None, stamp_ns: int | None = None,
                reduction: int = 1) -> Segmentation:
        """
        Label one image.

        :param image: (H, W, channels) uint8, or (H, W) for 'mono8'; rows may be padded.
        :param encoding: 'rgb8', 'bgr8', 'rgba8', 'bgra8' or 'mono8'.
        :param output_size: 'camera' for labels of the image's size, 'network' for labels of the
            image as the network saw it, without the border around it.
        :param confidence: also compute the confidence.
        :param drivable: the rules and the memory of the image's camera; without, every pixel of
            a drivable class is drivable.
        :param stamp_ns: when the image was taken, in nanoseconds, for rules that look at time.
        :param reduction: the camera image has so many times the rows and columns of ``image``,
            which was decoded smaller; results are of the camera image.
        :raises ValueError: the image is not what the encoding says, an unknown word, or rules
            that look at time without a stamp.
        :raises EngineError: the network failed.
        """
        request = Request(image, encoding, output_size, confidence, drivable, stamp_ns, reduction)
        return self.finish(self.infer([request])[0])

    def infer(self, requests: Sequence[Request]) -> list[Inferred]:
        """
        Run the network once for all requests, at most as many as ``info.batch``.

        :raises ValueError: an image is not what its encoding says, or an unknown output size.
        :raises EngineError: the network failed.
        """
        for request in requests:
            if request.output_size not in OUTPUT_SIZES:
                raise ValueError(f'unknown output size {request.output_size!r}; choose from '
                                 f'{", ".join(OUTPUT_SIZES)}')
            check_image(request.image, request.encoding)
        batch = self._buffer(len(requests))
        prepared = []
        for request, place in zip(requests, batch, strict=True):
            clock = _Clock()
            seen = self._geometry(request.image.shape[0], request.image.shape[1])
            seen.forward(request.image, request.encoding, place, self._padding)
            clock.lap('prepare')
            prepared.append((request, seen, clock.laps))
        clock = _Clock()
        logits = self._engine.infer(batch)
        clock.lap('infer')
        return [Inferred(request, seen, own, {**laps, **clock.laps})
                for (request, seen, laps), own in zip(prepared, logits, strict=True)]

    def finish(self, inferred: Inferred) -> Segmentation:
        """
        Return what a request asked for; it can be done once, as it moves its filter on.

        :raises ValueError: rules that look at time without a stamp.
        """
        request, logits = inferred.request, inferred.logits
        clock = _Clock()
        geometry = inferred.seen.enlarged(request.reduction)
        size = geometry.view.size if request.output_size == 'camera' else geometry.content
        samples = sampling(geometry.content, self._stride, size)
        labels = self._kernels.labels(logits, samples)
        clock.lap('decide')
        if request.drivable is None:
            mask = by_class(labels, self._drivable)
        else:
            mask = request.drivable.mask(
                logits, samples, labels, self._drivable, self._kernels, request.stamp_ns)
        clock.lap('drivable')
        certainty = None
        if request.confidence:
            certainty = self._kernels.confidence(logits, samples)
            clock.lap('confidence')
        timings = {**inferred.timings, **clock.laps}
        if request.output_size == 'network':
            return Segmentation(labels, mask, timings, geometry, geometry.view, certainty)
        return Segmentation(
            _in_place(labels, geometry, IGNORE), _in_place(mask, geometry, 0), timings,
            geometry, View.whole(geometry.image),
            None if certainty is None else _in_place(certainty, geometry, 0))

    def cell_confidence(self, inferred: Inferred) -> NDArray[np.uint8]:
        """
        Return the confidence at the network's own cells, for a fraction of what an image costs.

        :return: (h, w) uint8, 255 times the softmax probability of the label in each cell that
            shows the image, rounded.
        """
        height, width = inferred.seen.content
        cells = height // self._stride, width // self._stride
        return self._kernels.confidence(
            inferred.logits, sampling(inferred.seen.content, self._stride, cells))

    def _buffer(self, images: int) -> NDArray[np.uint8]:
        """Return the memory of batches of that number, which all of them share."""
        if images not in self._buffers:
            self._buffers[images] = self._engine.buffer(images)
        return self._buffers[images]

    def segment_compressed(
            self, data: bytes | memoryview, output_size: str = 'camera',
            confidence: bool = False, *, drivable: DrivableFilter | None = None,
            stamp_ns: int | None = None) -> Segmentation:
        """
        Label a JPEG or PNG picture as a camera sends it; see :meth:`segment`.

        A JPEG of more pixels than the network looks at is decoded at a half, a quarter or an
        eighth of its size. An orientation in its EXIF data is not applied.

        :raises PictureError: the data are no whole picture.
        """
        clock = _Clock()
        reduction = self.reduction(read_header(data))
        image = decode_picture(data, reduction)
        clock.lap('decode')
        result = self.segment(image, 'bgr8', output_size, confidence, drivable=drivable,
                              stamp_ns=stamp_ns, reduction=reduction)
        return replace(result, timings={**clock.laps, **result.timings})

    def reduction(self, picture: PictureHeader) -> int:
        """Return by how much a picture may shrink while it is decoded; :func:`jpeg_reduction`."""
        return jpeg_reduction(picture, self.info.resolution, self._stride, self.info.fit)

    def _geometry(self, height: int, width: int) -> Geometry:
        return Geometry.fit((height, width), self.info.resolution, self._stride, self.info.fit)

    def close(self) -> None:
        """Free the network and its memory; the segmenter cannot be used any more."""
        self._engine.close()

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def jpeg_reduction(picture: PictureHeader, resolution: tuple[int, int], stride: int, fit: str
                   ) -> int:
    """
    Return by how much a picture may shrink while it is decoded, 1, 2, 4 or 8.

    What is left has at least as many pixels as the network looks at, and every one of them
    stands for the same number of the picture's.

    :param resolution: (height, width) of the network's input.
    :param stride: pixels of the input for each cell of its output.
    :param fit: one of :data:`frm_perception.runtime.geometry.FITS`.
    """
    sides = picture.height, picture.width
    for factor in REDUCTIONS if picture.reducible else ():
        if any(side % factor for side in sides):
            continue
        height, width = (side // factor for side in sides)
        seen = Geometry.fit((height, width), resolution, stride, fit)
        if all(have >= need for have, need in zip(seen.view.size, seen.content, strict=True)):
            return factor
    return 1


class _Clock:
    """Milliseconds from each call to the next, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """Note the time since the call before, or since the beginning."""
        now = perf_counter()
        self.laps[name] = (now - self._last) * 1e3
        self._last = now


def _in_place(pixels: NDArray[np.uint8], geometry: Geometry, outside: int) -> NDArray[np.uint8]:
    """Return the pixels of the view within an image of the camera's size."""
    if geometry.view.size == geometry.image:
        return pixels
    whole = np.full(geometry.image, outside, np.uint8)
    whole[geometry.view.slices] = pixels
    return whole
