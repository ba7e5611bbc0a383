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
"""Several images in one inference: when that is done, and that it changes no answer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_bundle import TINY
from tiny_bundle import write_tiny_bundle

from frm_perception.runtime.batches import MOST
from frm_perception.runtime.batches import ONE_BY_ONE
from frm_perception.runtime.batches import choose_batch
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine
from frm_perception.runtime.segmenter import Request
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.scenes import RenderedDrive


class SleepyEngine:
    """
    Sleeps as long as an engine would compute.

    :param fixed: seconds of an inference.
    :param each: seconds of each of its images, beside that.
    """

    def __init__(self, fixed: float, each: float, takes_batches: bool = True) -> None:
        self._fixed = fixed
        self._each = each
        self.takes_batches = takes_batches

    def buffer(self, images: int = 1) -> NDArray[np.uint8]:
        return np.empty((images, 8, 8, 3), np.uint8)

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        time.sleep(self._fixed + self._each * len(batch))
        return np.zeros((len(batch), 4, 2, 2), np.float32)


class RaisingEngine(SleepyEngine):
    """Fails for more than one image, as a graph does that was made for one and does not say so."""

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        if len(batch) > 1:
            raise EngineError('cannot reshape')
        return super().infer(batch)


class ParticularEngine(SleepyEngine):
    """Fails for images that are not black, as a graph with a look-up may."""

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        if batch.any():
            raise EngineError('index out of range')
        return super().infer(batch)


class MixingEngine(SleepyEngine):
    """Answers with the mean over all images of a batch."""

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[Any]:
        cells = batch.reshape(len(batch), 4, -1)[..., :4].astype(np.float32)
        return np.broadcast_to(cells.mean(axis=0), cells.shape).reshape(len(batch), 4, 2, 2)


def sleepy(fixed: float, each: float, takes_batches: bool = True) -> Engine:
    engine: Any = SleepyEngine(fixed, each, takes_batches)
    return engine


@pytest.mark.parametrize(('asked', 'waiting'), [(1, 4), (0, 1), (8, 1)])
def test_who_asks_for_no_batches_or_has_one_camera_measures_nothing(
        asked: int, waiting: int) -> None:
    assert choose_batch(sleepy(3600.0, 0.0), asked, waiting) == ONE_BY_ONE


def test_a_batch_that_costs_as_much_as_one_image_pays() -> None:
    choice = choose_batch(sleepy(0.02, 0.0), 0, 4)
    assert choice.most == 4
    assert choice.note is not None and choice.note.endswith('a batch pays')


def test_a_batch_that_costs_as_much_as_its_images_does_not_pay_and_is_made_only_if_asked_for(
        ) -> None:
    choice = choose_batch(sleepy(0.0, 0.01), 0, 4)
    assert choice.most == 1 and choice.note is not None
    assert choice.note.startswith('no batches: 4 images take ')
    choice = choose_batch(sleepy(0.0, 0.01), 3, 4)
    assert choice.most == 3 and choice.note is not None
    assert choice.note.endswith('a batch does not pay')


def test_there_are_never_more_images_than_cameras_or_memory_for_them() -> None:
    assert choose_batch(sleepy(0.001, 0.0), 9, 4).most == 4
    assert choose_batch(sleepy(0.001, 0.0), 0, 99).most == MOST


def test_an_engine_of_one_image_is_left_alone_and_says_so() -> None:
    choice = choose_batch(sleepy(3600.0, 0.0, takes_batches=False), 4, 4)
    assert choice.most == 1
    assert choice.note == 'no batches: this engine takes one image at a time'


@pytest.mark.parametrize(('engine', 'reason'), [
    (RaisingEngine(0.0, 0.0), 'cannot reshape'),
    (ParticularEngine(0.0, 0.0), 'failed on the random images that measure them: index out of'),
    (MixingEngine(0.0, 0.0), 'something else than one by one')])
def test_a_model_that_does_not_keep_to_its_free_batch_axis_gets_no_batches_even_if_asked_for(
        engine: Any, reason: str) -> None:
    choice = choose_batch(engine, 4, 4)
    assert choice.most == 1
    assert choice.note is not None and reason in choice.note


def test_real_engines_are_measured(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path)
    model = (folder / 'fp32.onnx').read_bytes()
    for provider in ('cpu', 'openvino'):
        engine = open_engine(model, 'tiny.onnx', EngineOptions(provider, size=(64, 96)))
        note = choose_batch(engine, 3, 3).note
        assert note is not None and note.startswith('batches of up to 3: 3 images take ')


@pytest.mark.parametrize('provider', ['cpu', 'openvino'])
def test_answers_of_a_batch_are_those_of_its_images_one_by_one(
        tmp_path: Path, provider: str) -> None:
    bundle = Bundle.load(write_tiny_bundle(tmp_path))
    sizes = [(97, 161), (540, 960), (60, 40), (192, 320)]
    images = [RenderedDrive(seed, *size, 1)[0].image for seed, size in enumerate(sizes)]
    requests = [Request(image, output_size=output_size, confidence=True)
                for image, output_size in zip(images, ('camera', 'network', 'camera', 'camera'))]
    with Segmenter.load(bundle, provider=provider, max_batch=4, waiting=4) as segmenter:
        assert segmenter.info.batch == 4
        for number in (4, 2, 3):
            for request, inferred in zip(requests, segmenter.infer(requests[:number])):
                found = segmenter.finish(inferred)
                expected = segmenter.segment(
                    request.image, output_size=request.output_size, confidence=True)
                np.testing.assert_array_equal(found.labels, expected.labels)
                np.testing.assert_array_equal(found.drivable, expected.drivable)
                assert found.confidence is not None and expected.confidence is not None
                np.testing.assert_allclose(
                    found.confidence.astype(int), expected.confidence, atol=1)


def test_a_request_that_cannot_be_finished_leaves_the_others_of_its_batch_alone(
        tmp_path: Path) -> None:
    bundle = Bundle.load(write_tiny_bundle(tmp_path))
    road = np.full((48, 64, 3), TINY.palette[1], np.uint8)
    needs_a_stamp = DrivableFilter(DrivableRules(appear_frames=2))
    with Segmenter.load(bundle, provider='cpu', max_batch=2, waiting=2) as segmenter:
        bad, good = segmenter.infer([Request(road, drivable=needs_a_stamp), Request(road)])
        with pytest.raises(ValueError, match='stamp'):
            segmenter.finish(bad)
        assert (segmenter.finish(good).drivable == 255).all()
