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
"""Tests of the rendered drive: what its frames and labels hold."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from frm_perception.labels import CAMVID
from frm_perception.scenes import RenderedDrive
from frm_perception.scenes import Scene

HEIGHT, WIDTH = 120, 160
SEEDS = 10
ROAD, SKY = CAMVID.classes.index('road'), CAMVID.classes.index('sky')


def drive(seed: int, frames: int = 20) -> RenderedDrive:
    """Return a small drive."""
    return RenderedDrive(seed, HEIGHT, WIDTH, frames=frames)


@pytest.fixture(scope='module')
def scenes() -> dict[int, list[Scene]]:
    """Render three frames of each of some drives."""
    found = {}
    for seed in range(SEEDS):
        made = drive(seed)
        found[seed] = [made[index] for index in (0, 10, 19)]
    return found


def test_a_frame_follows_from_seed_and_index_alone() -> None:
    first, second = drive(4), drive(4)
    second[18]
    np.testing.assert_array_equal(first[7].image, second[7].image)
    np.testing.assert_array_equal(first[7].labels, second[7].labels)


def test_threads_get_the_frames_that_one_thread_gets() -> None:
    made = drive(3)
    alone = [made[index] for index in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(made.__getitem__, range(6)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_noise_differs_between_frames_and_is_repeated_for_the_same_frame() -> None:
    made = drive(5)
    assert (made[0].image != made[1].image).any()
    np.testing.assert_array_equal(made[1].image, made[1].image)


def test_seeds_give_different_drives(scenes: dict[int, list[Scene]]) -> None:
    for seed in range(1, SEEDS):
        assert (scenes[seed][0].labels != scenes[0][0].labels).mean() > 0.02


def test_arrays_have_the_size_asked_for_and_every_pixel_a_class(
        scenes: dict[int, list[Scene]]) -> None:
    for scene in (scene for found in scenes.values() for scene in found):
        assert scene.image.shape == (HEIGHT, WIDTH, 3) and scene.image.dtype == np.uint8
        assert scene.labels.shape == (HEIGHT, WIDTH) and scene.labels.dtype == np.uint8
        assert scene.labels.max() < len(CAMVID.classes)


def test_road_lies_before_the_vehicle(scenes: dict[int, list[Scene]]) -> None:
    for found in scenes.values():
        for scene in found:
            assert (scene.labels[-6:, WIDTH // 2 - 3:WIDTH // 2 + 3] == ROAD).all()


def test_every_drive_shows_road_and_sky(scenes: dict[int, list[Scene]]) -> None:
    for found in scenes.values():
        labels = np.stack([scene.labels for scene in found])
        assert (labels == ROAD).mean() > 0.05
        assert (labels == SKY).mean() > 0.005


def test_all_classes_occur_over_some_drives(scenes: dict[int, list[Scene]]) -> None:
    labels = np.stack([scene.labels for found in scenes.values() for scene in found])
    shares = np.bincount(labels.ravel(), minlength=len(CAMVID.classes)) / labels.size
    assert (shares > 1e-4).all(), dict(zip(CAMVID.classes, shares.round(5), strict=True))


def test_the_image_tells_the_classes_apart(scenes: dict[int, list[Scene]]) -> None:
    for found in scenes.values():
        for scene in found:
            assert scene.image.std() > 8
            assert 8 < scene.image.mean() < 230


def test_successive_frames_are_alike_but_move() -> None:
    for seed in (1, 2, 9):
        made = RenderedDrive(seed, HEIGHT, WIDTH, frames=20, rate=30.0)
        first, second = made[10].labels, made[11].labels
        same = (first == second).mean()
        assert 0.75 < same < 1


@pytest.mark.parametrize('index', [20, 1000, -21])
def test_frames_beyond_the_drive_are_refused(index: int) -> None:
    made = drive(0)
    assert len(made) == 20
    with pytest.raises(IndexError, match='20 frames'):
        made[index]


def test_negative_indices_count_from_the_end() -> None:
    made = drive(0)
    np.testing.assert_array_equal(made[-1].labels, made[19].labels)


def test_iteration_ends() -> None:
    assert len(list(drive(0, frames=3))) == 3


@pytest.mark.parametrize(('height', 'width'), [(0, 480), (360, 1), (-4, 480), (100000, 100000)])
def test_absurd_sizes_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match='32 to 4096'):
        RenderedDrive(0, height, width)


@pytest.mark.parametrize(('seed', 'frames', 'rate'), [(-1, 10, 10), (0, 0, 10), (0, 10, 0)])
def test_senseless_arguments_are_refused(seed: int, frames: int, rate: float) -> None:
    with pytest.raises(ValueError, match='must be'):
        RenderedDrive(seed, HEIGHT, WIDTH, frames, rate)
