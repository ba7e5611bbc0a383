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
"""Videos that can be read back, or none at all."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from frm_perception.media.files import MediaError
from frm_perception.media.frames import read_frames
from frm_perception.media.video import VideoWriter


def _write(file: Path, height: int, width: int, frames: int = 12, rate: float = 10) -> None:
    with VideoWriter(file, rate) as video:
        for index in range(frames):
            image = np.zeros((height, width, 3), np.uint8)
            image[:, :width // 2] = (20 * (index % 12), 0, 0)
            image[:, width // 2:] = (0, 0, 200)
            video.write(image)


@pytest.mark.parametrize('size', [(90, 160), (91, 161), (270, 480)])
def test_frames_come_back_in_order_and_in_their_colours(
        tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / 'a.webm'
    _write(file, *size)
    frames = read_frames(file)
    assert len(frames) == 12 and frames.rate == pytest.approx(10)
    for index, frame in enumerate(frames):
        even = tuple(side + side % 2 for side in size)
        assert frame.image.shape == (*even, 3)
        left = frame.image[:, :size[1] // 2 - 16].mean(axis=(0, 1))
        right = frame.image[:, size[1] // 2 + 16:].mean(axis=(0, 1))
        np.testing.assert_allclose(left, (20 * index, 0, 0), atol=12)
        np.testing.assert_allclose(right, (0, 0, 200), atol=12)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (1, 400)])
def test_tiny_frames_make_a_video(tmp_path: Path, size: tuple[int, int]) -> None:
    _write(tmp_path / 'a.webm', *size)
    assert len(list(read_frames(tmp_path / 'a.webm'))) == 12


@pytest.mark.parametrize('rate', [1, 7.5, 29.97, 60])
def test_the_rate_is_kept(tmp_path: Path, rate: float) -> None:
    _write(tmp_path / 'a.webm', 32, 32, 20, rate)
    assert read_frames(tmp_path / 'a.webm').rate == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize('rate', [0.01, 0.05, 0.3, 0.9, 700, 1500, 1e9])
def test_a_video_of_any_rate_is_whole(tmp_path: Path, rate: float) -> None:
    _write(tmp_path / 'a.webm', 32, 32, 40, rate)
    frames = read_frames(tmp_path / 'a.webm')
    assert len(list(frames)) == 40
    assert frames.rate == pytest.approx(min(max(rate, 1), 1000), rel=0.01)


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_video(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), VideoWriter(tmp_path / 'a.webm', 10) as video:
        video.write(np.zeros((32, 32, 3), np.uint8))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_no_frames_make_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / 'a.webm', 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_did_not_reach_the_disk_is_an_error(tmp_path: Path) -> None:
    video = VideoWriter(tmp_path / 'a.webm', 10)
    with pytest.raises(MediaError, match='12 frames were written, but'), video:
        for _ in range(12):
            video.write(np.zeros((32, 32, 3), np.uint8))
        partial, = tmp_path.iterdir()
        partial.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('size', [(32, 34), (16, 90), (1, 1)])
def test_frames_of_another_size_are_scaled_to_the_first(
        tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoWriter(tmp_path / 'a.webm', 10) as video:
        for height, width in ((48, 64), size):
            video.write(np.full((height, width, 3), 200, np.uint8))
    first, second = read_frames(tmp_path / 'a.webm')
    assert first.image.shape == second.image.shape == (48, 64, 3)
    np.testing.assert_allclose(second.image, 200, atol=8)


@pytest.mark.parametrize(('name', 'rate'), [('a.mp4', 10), ('a.webm', 0), ('a.webm', -1),
                                            ('a.webm', float('nan'))])
def test_what_cannot_be_a_video_is_refused(tmp_path: Path, name: str, rate: float) -> None:
    with pytest.raises(ValueError, match='webm'):
        VideoWriter(tmp_path / name, rate)


def test_nothing_is_printed(tmp_path: Path) -> None:
    code = (f'import numpy as np, pathlib\n'
            f'from frm_perception.media.video import VideoWriter\n'
            f'with VideoWriter(pathlib.Path({str(tmp_path / "a.webm")!r}), 10) as video:\n'
            f'    video.write(np.zeros((32, 32, 3), np.uint8))\n')
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True,
                          text=True, timeout=60, check=True)
    assert done.stdout + done.stderr == ''
    assert cv2.VideoCapture(str(tmp_path / 'a.webm')).read()[0]
