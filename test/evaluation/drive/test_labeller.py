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
"""Labels from a model, whether or not its network leaves cores free for other work."""

import threading
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from frm_perception.evaluation.drive.frame_reader import FrameImage
from frm_perception.evaluation.drive.images import DecodedImage
from frm_perception.evaluation.drive.labeller import ModelLabeller
from frm_perception.evaluation.drive.scorer import DriveFrame
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Inferred
from frm_perception.runtime.segmenter import Request
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.threads import core_count


@pytest.fixture(params=['free cores', 'no free core'])
def segmenter(request: pytest.FixtureRequest, tiny_bundle: Path,
              monkeypatch: pytest.MonkeyPatch) -> Iterator[Segmenter]:
    """Yield a segmenter whose network leaves one core free, or none."""
    cores = 2 if request.param == 'free cores' else 1
    monkeypatch.setattr('frm_perception.evaluation.drive.labeller.core_count', lambda: cores)
    with Segmenter.load(Bundle.load(tiny_bundle), resolution='96x160', provider='cpu',
                        threads=1) as loaded:
        yield loaded


def frame(index: int) -> FrameImage:
    """Return a frame that differs from the others."""
    pixels = np.random.default_rng(index).integers(0, 256, (48, 80, 3), np.uint8)
    grey = np.zeros((48, 80), np.uint8)
    return FrameImage('/front', DriveFrame(index, index, index, grey),
                      (DecodedImage(pixels, 'rgb8', 1),), 1.0, None)


class Reading:
    """Frames, and what became of their generator."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self._count = count
        self._error = error
        self.read = 0
        self.threads: set[int] = set()
        self.closed_by: int | None = None

    def frames(self) -> Generator[FrameImage, None, None]:
        """Yield the frames, then raise the error, if there is one."""
        try:
            for index in range(self._count):
                self.read += 1
                self.threads.add(threading.get_ident())
                yield frame(index)
            if self._error is not None:
                raise self._error
        finally:
            self.closed_by = threading.get_ident()


def test_every_frame_has_the_labels_that_the_model_gives_it_alone(segmenter: Segmenter) -> None:
    found = list(ModelLabeller(segmenter).label(Reading(7).frames()))

    assert [each.frame.index for each, _ in found] == list(range(7))
    for each, labels in found:
        alone = segmenter.segment(each.images[0].pixels)
        assert np.array_equal(labels.labels, alone.labels)
        assert np.array_equal(labels.drivable, alone.drivable)
        assert labels.milliseconds['decode'] == 1.0


def test_one_thread_beside_the_callers_reads_and_closes(segmenter: Segmenter) -> None:
    reading = Reading(5)
    list(ModelLabeller(segmenter).label(reading.frames()))
    assert len(reading.threads) == 1
    assert {reading.closed_by} == reading.threads != {threading.get_ident()}


def test_who_stops_early_has_not_read_everything_and_leaves_no_thread(
        segmenter: Segmenter) -> None:
    reading = Reading(1000)
    before = threading.active_count()
    with closing(ModelLabeller(segmenter).label(reading.frames())) as results:
        next(results)
    assert 0 < reading.read < 20
    assert {reading.closed_by} == reading.threads
    assert threading.active_count() == before


def test_an_error_of_reading_comes_after_the_frames_before_it(segmenter: Segmenter) -> None:
    results = ModelLabeller(segmenter).label(Reading(2, OSError('the disk is gone')).frames())
    assert [next(results)[0].frame.index for _ in range(2)] == [0, 1]
    with pytest.raises(OSError, match='the disk is gone'):
        next(results)


def test_a_network_that_uses_all_cores_runs_while_nothing_is_read(tiny_bundle: Path) -> None:
    reading = Reading(30)
    read_meanwhile = []

    class Watched(Segmenter):
        def infer(self, requests: Sequence[Request]) -> list[Inferred]:
            before = reading.read
            try:
                return super().infer(requests)
            finally:
                read_meanwhile.append(reading.read - before)

    with Watched.load(Bundle.load(tiny_bundle), resolution='96x160', provider='cpu',
                      threads=core_count()) as loaded:
        list(ModelLabeller(loaded).label(reading.frames()))

    assert read_meanwhile == [0] * 30
