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
"""Writing a model bundle: ONNX files, manifest, measured accuracy, failure pictures and card."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from frm_perception.deploy.accuracy_gate import DEFAULT_LIMITS
from frm_perception.deploy.accuracy_gate import GateImages
from frm_perception.deploy.accuracy_gate import pass_gate
from frm_perception.deploy.bundle_files import CARD
from frm_perception.deploy.bundle_files import PICTURES
from frm_perception.deploy.bundle_files import entries
from frm_perception.deploy.bundle_files import write_folder
from frm_perception.deploy.card import card_text
from frm_perception.deploy.data_sources import licence
from frm_perception.deploy.data_sources import licence_of_weights
from frm_perception.deploy.export import export_onnx
from frm_perception.deploy.failures import RANKED_BY
from frm_perception.deploy.failures import Failure
from frm_perception.deploy.failures import Image
from frm_perception.deploy.failures import failures_picture
from frm_perception.deploy.failures import worst
from frm_perception.deploy.half_precision import to_half
from frm_perception.deploy.half_precision import with_rounded_results
from frm_perception.deploy.half_precision import with_stored_halves
from frm_perception.deploy.trained_run import TrainedRun
from frm_perception.deploy.validation import HeldOutImage
from frm_perception.deploy.validation import Measurement
from frm_perception.deploy.validation import measure
from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.record import provenance
from frm_perception.labels import LabelSpace
from frm_perception.media.files import write_image
from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import network_spec
from frm_perception.runtime.bundle import FORMAT
from frm_perception.runtime.bundle import MANIFEST
from frm_perception.runtime.bundle import InputSpec
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.training.augmentation import PADDING
from frm_perception.training.config import as_plain

DEFAULT_SIZE = (384, 640)
MAX_SIZE = (1088, 2048)

# What decides what an exported file holds, and how it was measured.
_VERSIONS = ('torch', 'onnx', 'onnxscript', 'onnxruntime', 'numpy', 'opencv-python-headless')
# Training images on which half precision is checked where no others are at hand.
_FEW = 100
_TILE_WIDTH = 240
_PHOTOGRAPH_WIDTH = 320


def write_bundle(checkpoint: Path, folder: Path, command: str, *,
                 size: tuple[int, int] | None = None, default_size: tuple[int, int] | None = None,
                 half: bool = False, validated_by: Sequence[Path] = ()
                 ) -> dict[str, Any]:
    """
    Export a checkpoint into ``folder`` and measure those very files on the held-out images.

    The folder appears whole or not at all; a bundle that is there is replaced at the end. What
    the network is worst at is shown in ``failures.jpg``, and with the photographs, which the
    bundle must not pass on, in ``<folder>-failures.jpg`` beside the checkpoint.

    :param command: what made this bundle, for the manifest.
    :param size: (height, width) that the model is to take alone; None for all that fit.
    :param default_size: (height, width) that it takes unless told otherwise, and is measured at;
        None is ``size``, or :data:`DEFAULT_SIZE`.
    :param half: also write the model in half precision.
    :param validated_by: checkpoints of runs of the same recipe that held images out, to be
        measured on them.
    :return: the manifest, as ``model.yaml`` has it.
    :raises ValueError: something that is no bundle is in the way, a checkpoint is not one, its
        held-out images are not usable, a run of ``validated_by`` has another recipe, the network
        does not take images of that size, or half precision changes too many labels.
    :raises EngineError: the model does not run, or what it computes is not finite.
    """
    folder = Path(os.path.abspath(folder))
    _refuse_anything_else(folder)
    run = TrainedRun.load(checkpoint)
    spec = _input_spec(run.network, size, default_size)
    others = [TrainedRun.load(file) for file in validated_by]
    for other in others:
        run.check_validated_by(other)
    gate = _gate_images(run, others) if half else None
    exported = export_onnx(run.network, size)
    models = {'fp32': with_stored_halves(exported)}
    if half:
        models['fp16'] = to_half(exported)
    manifest = _manifest(folder.name, run, spec, command)
    with tempfile.TemporaryDirectory(dir=_nearest(folder), prefix=f'.{folder.name}.') as temporary:
        work = Path(temporary)
        manifest['precisions'] = entries(models, {})
        bundle = write_folder(work / 'unmeasured', manifest, models)
        for name in models:
            with Segmenter.load(bundle, precision=name):
                pass  # it has run, and what came out is finite
        own = {name: measure(bundle, name, run.held_out) for name in models if run.held_out}
        accuracies = {name: {**measured.figures, **run.doubts()}
                      for name, measured in own.items()}
        if gate:
            accuracies.setdefault('fp16', {}).update(_pass_gate(work, manifest, models, gate))
        measured = [_measure_other(work / f'other-{index}', other, spec, size)
                    for index, other in enumerate(others)]
        manifest['training']['validation'] = [
            _validation(run, other, its) for other, its in zip(others, measured, strict=True)]
        finished = work / folder.name
        manifest['precisions'] = entries(models, accuracies)
        write_folder(finished, manifest, models)
        failures = _worst([*([own['fp32']] if own else []), *measured])
        if failures:
            _write_jpeg(finished / PICTURES,
                        failures_picture(failures, run.space, False, _TILE_WIDTH))
        (finished / CARD).write_text(
            card_text(manifest, bool(failures)), encoding='utf-8')
        _put_in_place(finished, folder, work / 'replaced')
    beside = checkpoint.parent / f'{folder.name}-failures.jpg'
    if failures:
        write_image(beside, failures_picture(failures, run.space, True, _PHOTOGRAPH_WIDTH))
    else:
        beside.unlink(missing_ok=True)  # of an earlier bundle of that name
    return manifest


def _refuse_anything_else(folder: Path) -> None:
    if os.path.lexists(folder) and not (folder / MANIFEST).is_file():
        raise ValueError(f'{folder} is there and is no model bundle (it has no {MANIFEST}); '
                         f'choose another name, or move it away')
    if folder.is_symlink():
        raise ValueError(f'{folder} is a link to {folder.resolve()}: give that folder itself')


def _nearest(folder: Path) -> Path:
    """Return the nearest folder above that exists: on the same disk, as far as one can tell."""
    return next(parent for parent in folder.parents if parent.is_dir())


def _put_in_place(finished: Path, folder: Path, replaced: Path) -> None:
    """Move a bundle to its place, and what is there, if anything, to ``replaced``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if folder.exists():
            os.replace(folder, replaced)
        os.replace(finished, folder)
    except BaseException:
        if replaced.exists() and not folder.exists():
            os.replace(replaced, folder)
        raise


def _input_spec(network: SegmentationNetwork, size: tuple[int, int] | None,
                default: tuple[int, int] | None) -> InputSpec:
    """
    Return what the manifest says of the input.

    :raises ValueError: the network does not take images of those sizes.
    """
    step = network.head.multiple_of
    if size and default and size != default:
        raise ValueError('the only size of a model is its default size, too: give --size or '
                         '--default-size')
    if size:
        network.check_size(*size)
        return InputSpec('image', step, size, size, size, PADDING)
    spec = InputSpec('image', step, (2 * step, 2 * step), MAX_SIZE, default or DEFAULT_SIZE,
                     PADDING)
    if not spec.fits(spec.default):
        nearest = ' or '.join('{}x{}'.format(*near) for near in spec.nearest(spec.default))
        raise ValueError(
            'the default size {}x{} does not fit: height and width must be multiples of {}, from '
            '{}x{} to {}x{}; the nearest is {}'.format(
                *spec.default, step, *spec.min, *spec.max, nearest))
    return spec


def _gate_images(run: TrainedRun, others: Sequence[TrainedRun]) -> GateImages:
    """
    Choose the images on which half precision is checked.

    :raises ValueError: there are none.
    """
    if run.held_out:
        return _labelled(run.held_out, run.space, 'what its training held out')
    if others:
        return _labelled([image for other in others for image in other.held_out], run.space,
                         'what other runs of its recipe held out')
    items = [item for source in run.sources for item in source.labelled][:_FEW]
    if not items:
        raise ValueError(f'{run.checkpoint}: there are no labelled images to compare half with '
                         'full precision on: give a run that held some out with --validated-by, '
                         'or leave --fp16 out')
    # What they are labelled with need not be the model's label space.
    return GateImages('the first training images', len(items),
                      lambda: ((item.read()[0], None) for item in items), None)


def _labelled(images: Sequence[HeldOutImage], space: LabelSpace, name: str) -> GateImages:
    return GateImages(name, len(images), lambda: (image.read() for image in images),
                      Comparison.between(space, space))


def _pass_gate(work: Path, manifest: Mapping[str, Any], models: Mapping[str, bytes],
               gate: GateImages) -> dict[str, Any]:
    """
    Return what the manifest says of half precision beside full precision.

    :raises GateError: it costs too much.
    """
    rounded = {**models, 'fp16': with_rounded_results(models['fp16'])}
    bundle = write_folder(work / 'rounded', {**manifest, 'precisions': entries(rounded, {})},
                          rounded)
    return {'gate': pass_gate(bundle, 'fp16', gate, DEFAULT_LIMITS['fp16'])}


def _measure_other(folder: Path, other: TrainedRun, spec: InputSpec,
                   size: tuple[int, int] | None) -> Measurement:
    models = {'fp32': with_stored_halves(export_onnx(other.network, size))}
    bundle = write_folder(folder, {**_manifest(folder.name, other, spec, ''),
                             'precisions': entries(models, {})}, models)
    return measure(bundle, 'fp32', other.held_out)


def _validation(run: TrainedRun, other: TrainedRun, measured: Measurement) -> dict[str, Any]:
    return {'checkpoint': str(other.checkpoint), 'iterations': other.iteration,
            'iterations_in_all': other.iterations_in_all, 'commit': other.commit,
            'data': [source.manifest() for source in other.sources],
            'held_out': list(measured.figures['sequences']),
            'learned_by_this_file': run.learned_from(other.held_out),
            'differs_in': run.differs_in(other),
            'accuracy': {**measured.figures, **other.doubts()}}


def _worst(measured: Sequence[Measurement]) -> dict[str, list[Failure]]:
    """Return the worst images of all runs by figure; empty where nothing was measured."""
    merged = {key: worst([failure for one in measured for failure in one.worst[key]], key)
              for key in RANKED_BY}
    return merged if any(merged.values()) else {}


def _write_jpeg(file: Path, picture: Image) -> None:
    # Small enough to be kept beside the model in a repository.
    _, data = cv2.imencode('.jpg', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
                           [cv2.IMWRITE_JPEG_QUALITY, 80])
    file.write_bytes(data.tobytes())


def _manifest(name: str, run: TrainedRun, spec: InputSpec, command: str) -> dict[str, Any]:
    """Return the manifest, still without what was measured."""
    network, space = network_spec(run.config.network), run.space
    licences = {licence(source.data) for source in run.sources}.union(
        *(ancestor.licences() for ancestor in run.ancestors))
    origin = provenance(_VERSIONS)
    return {
        'format': FORMAT,
        'name': name,
        'network': run.config.network,
        'backbone': network.backbone,
        'head': network.head,
        'label_space': {
            'name': space.name, 'classes': list(space.classes),
            'palette': [list(color) for color in space.palette],
            'drivable': list(space.drivable)},
        'input': {
            'name': spec.name, 'layout': 'NHWC', 'dtype': 'uint8', 'color': 'rgb',
            'multiple_of': spec.multiple_of, 'min': list(spec.min), 'max': list(spec.max),
            'default': list(spec.default), 'padding': list(spec.padding)},
        'output': {'name': 'logits', 'stride': run.network.head.stride},
        'precisions': {},
        'training': {
            'iterations': run.iteration, 'iterations_in_all': run.iterations_in_all,
            'batch': run.config.batch,
            'data': [source.manifest() for source in run.sources],
            'learned_from': [ancestor.manifest() for ancestor in run.ancestors],
            'licence': licence_of_weights(licences),
            'commit': run.commit, 'command': command,
            'export': {'commit': origin['commit'], 'versions': origin['versions']},
            'config': as_plain(run.config), 'validation': []},
    }
