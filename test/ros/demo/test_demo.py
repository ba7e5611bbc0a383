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
"""The demo as a user runs it: a command that starts three processes over DDS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore

from frm_perception.media.files import write_image
from frm_perception.media.frames import read_frames
from frm_perception.media.video import VideoWriter
from frm_perception.ros.demo.run import require_space

_REPOSITORY = Path(__file__).parents[3]
_RED = (255, 0, 0)
_BLUE = (0, 0, 255)


@pytest.fixture
def models(tiny_bundle: Path) -> Path:
    return tiny_bundle.parent


def demo_command(output: Path, models: Path, *options: object) -> list[str]:
    return [sys.executable, '-m', 'frm_perception.cli.main', 'demo', '--output', str(output),
            '--model-dir', str(models), '--provider', 'cpu', *map(str, options)]


@contextmanager
def running(command: list[str], scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command that keeps its temporary files in a folder we can look into afterwards."""
    scratch.mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(_REPOSITORY), 'TMPDIR': str(scratch)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def run_demo(tmp_path: Path, models: Path, *options: object) -> tuple[int, str, str]:
    with running(demo_command(tmp_path / 'out', models, *options), tmp_path / 'tmp') as process:
        output, errors = process.communicate(timeout=80)
    return process.returncode, output, errors


def processes_with(scratch: Path) -> list[str]:
    """Return the command lines of all processes that were started with this folder."""
    found = []
    for folder in Path('/proc').iterdir():
        try:
            if f'TMPDIR={scratch}'.encode() in (folder / 'environ').read_bytes().split(b'\0'):
                found.append((folder / 'cmdline').read_text().replace('\0', ' '))
        except (OSError, NotADirectoryError):
            continue
    return found


def check_results(tmp_path: Path, text: str) -> dict[str, Any]:
    """Check what holds after every good run, and return the summary."""
    output = tmp_path / 'out'
    summary: dict[str, Any] = json.loads((output / 'summary.json').read_text())
    frames = dict(summary['frames'])
    sent = frames.pop('sent')
    assert sent == len(summary['per_frame']) > 0
    assert sum(frames.values()) == sent
    assert min(frames.values()) >= 0
    latencies = [row['latency_ms'] for row in summary['per_frame']
                 if row['latency_ms'] is not None]
    assert len(latencies) == frames['answered'] > 0
    assert min(latencies) > 0
    assert summary['latency_ms']['max'] == pytest.approx(max(latencies))
    assert summary['segmenter']['model'] == 'tiny'
    assert summary['segmenter']['provider'] == 'cpu'
    assert len(list(read_frames(output / 'overlay.webm'))) == sent
    assert cv2.imread(str(output / 'contact_sheet.png')).shape[1] > 1000
    assert f'{sent} sent, {frames["answered"]} answered, {frames["dropped"]} dropped' in text
    assert f'p50 {summary["latency_ms"]["p50"]:.0f} ms' in text
    assert f'activate {float(summary["segmenter"]["activate_ms"]):.1f} ms' in text
    assert {path.name for path in (output / 'logs').iterdir()} == {
        'camera.log', 'segmenter.log', 'recorder.log'}
    assert not list((tmp_path / 'tmp').iterdir())
    assert not processes_with(tmp_path / 'tmp')
    return summary


def painted(step: int) -> NDArray[np.uint8]:
    """Return a picture whose lower part the tiny model calls road, higher with every step."""
    image = np.full((96, 160, 3), _BLUE, np.uint8)
    image[64 - 4 * (step % 8):] = _RED
    return image


def write_video(path: Path, rate: float, frames: int) -> None:
    with VideoWriter(path, rate) as video:
        for step in range(frames):
            video.write(painted(step))


def test_a_rendered_drive_leaves_pictures_and_figures_that_add_up(
        tmp_path: Path, models: Path) -> None:
    status, text, errors = run_demo(
        tmp_path, models, '--frames', 12, '--rate', 20, '--size', '96x160', '--seed', 3)

    assert status == 0, errors
    summary = check_results(tmp_path, text)
    assert summary['frames']['sent'] == 12
    assert 0 <= summary['accuracy']['drivable_iou'] <= 1
    assert f'drivable IoU {summary["accuracy"]["drivable_iou"]:.3f}' in text
    # The tiny model has classes of its own, which CamVid's labels say nothing about.
    assert summary['accuracy']['mean_iou'] is None
    assert summary['source']['rendered_drive'] == 3
    assert summary['machine']['cores'] >= 1


def test_frames_that_come_too_fast_are_counted_as_dropped_or_lost_and_shown(
        tmp_path: Path, models: Path) -> None:
    write_video(tmp_path / 'road.webm', 1000.0, 60)

    status, text, errors = run_demo(
        tmp_path, models, '--video', tmp_path / 'road.webm', '--rate', 1000)

    assert status == 0, errors
    check_results(tmp_path, text)


def test_a_video_is_played_at_the_cameras_rate_and_older_results_are_replaced(
        tmp_path: Path, models: Path) -> None:
    write_video(tmp_path / 'road.webm', 20.0, 16)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'summary.json').write_text('old')

    status, text, errors = run_demo(
        tmp_path, models, '--video', tmp_path / 'road.webm', '--rate', 10)

    assert status == 0, errors
    summary = check_results(tmp_path, text)
    assert summary['frames']['sent'] == 8
    assert summary['accuracy'] is None
    assert 'IoU' not in text


def test_a_bag_is_played_even_if_its_images_change_size(tmp_path: Path, models: Path) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = store.types
    with Writer(tmp_path / 'bag', version=9) as bag:
        connection = bag.add_connection(
            '/front/image_raw', 'sensor_msgs/msg/Image', typestore=store)
        for step in range(6):
            stamp = step * 100_000_000 + 10**9
            header = kinds['std_msgs/msg/Header'](
                kinds['builtin_interfaces/msg/Time'](*divmod(stamp, 10**9)), 'front')
            image = painted(step) if step < 4 else painted(step)[:64]
            message = kinds['sensor_msgs/msg/Image'](
                header, image.shape[0], 160, 'rgb8', 0, 480, image.reshape(-1))
            bag.write(connection, stamp, store.serialize_cdr(message, 'sensor_msgs/msg/Image'))

    status, text, errors = run_demo(
        tmp_path, models, '--bag', tmp_path / 'bag', '--topic', '/front/image_raw')

    assert status == 0, errors
    summary = check_results(tmp_path, text)
    assert summary['frames']['sent'] == 6
    assert summary['source']['topic'] == '/front/image_raw'


def test_a_recording_that_cannot_be_read_is_an_error_before_anything_starts(
        tmp_path: Path, models: Path) -> None:
    status, text, errors = run_demo(tmp_path, models, '--video', tmp_path / 'none.mp4')

    assert status == 1
    assert text == ''
    assert errors == f'frm demo: {tmp_path / "none.mp4"} does not exist\n'
    assert not (tmp_path / 'out').exists()


def test_a_video_damaged_in_the_middle_is_named_with_how_far_it_goes(
        tmp_path: Path, models: Path) -> None:
    video = tmp_path / 'road.webm'
    random = np.random.default_rng(0)
    with VideoWriter(video, 20.0) as writer:
        for _ in range(40):
            writer.write(random.integers(0, 256, (96, 160, 3), np.uint8))
    data = video.read_bytes()
    video.write_bytes(data[:len(data) // 2])

    status, text, errors = run_demo(tmp_path, models, '--video', video, '--rate', 20)

    assert (status, text) == (1, '')
    assert re.search(rf'frm demo: {video} is damaged: (\d+) of 40 frames can be read; \1 frames '
                     rf'were played\n$', errors)
    assert 'Traceback' not in errors
    assert not processes_with(tmp_path / 'tmp')


def test_temporary_files_without_room_are_an_error_before_anything_starts(
        tmp_path: Path, models: Path) -> None:
    status, text, errors = run_demo(
        tmp_path, models, '--frames', 10**9, '--size', '9999x9999')

    assert (status, text) == (1, '')
    assert 'ask for fewer frames' in errors
    assert not (tmp_path / 'out').exists()


def test_the_answers_to_a_recording_need_room_too() -> None:
    require_space(1, (96, 160), rendered=False)
    with pytest.raises(OSError, match='1000000000 frames of 9999x9999 take'):
        require_space(10**9, (9999, 9999), rendered=False)


def test_a_wrong_model_or_resolution_is_an_error_before_anything_starts(
        tmp_path: Path, models: Path) -> None:
    status, text, errors = run_demo(tmp_path, models, '--resolution', '100x100')

    assert (status, text) == (1, '')
    assert 'multiples of 32' in errors
    assert not (tmp_path / 'out').exists()


def test_a_segmenter_that_fails_is_reported_with_the_end_of_its_log(
        tmp_path: Path, models: Path) -> None:
    # The manifest is in order, so that only the node finds out.
    (models / 'tiny' / 'fp32.onnx').write_bytes(b'damaged')

    status, text, errors = run_demo(tmp_path, models, '--frames', 2, '--size', '96x160')

    assert (status, text) == (1, '')
    assert 'the segmenter could not configure' in errors
    assert 'SHA-256' in errors
    assert str(tmp_path / 'out' / 'logs' / 'segmenter.log') in errors
    assert not processes_with(tmp_path / 'tmp')


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_no_process_no_partial_file_and_the_older_results(
        number: signal.Signals, status: int, tmp_path: Path, models: Path) -> None:
    write_image(tmp_path / 'out' / 'contact_sheet.png', painted(0))
    before = (tmp_path / 'out' / 'contact_sheet.png').read_bytes()
    write_video(tmp_path / 'road.webm', 2.0, 60)
    command = demo_command(
        tmp_path / 'out', models, '--video', tmp_path / 'road.webm', '--rate', 2)
    with running(command, tmp_path / 'tmp') as process:
        assert process.stderr is not None
        seen = ''
        deadline = time.monotonic() + 60
        while ' 3/60' not in seen.partition('streaming')[2] and time.monotonic() < deadline:
            seen += process.stderr.read(1)
        assert len(processes_with(tmp_path / 'tmp')) == 4

        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == status
    assert not processes_with(tmp_path / 'tmp')
    assert not list((tmp_path / 'tmp').iterdir())
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {'contact_sheet.png', 'logs'}
    assert (tmp_path / 'out' / 'contact_sheet.png').read_bytes() == before
