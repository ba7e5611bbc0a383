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
"""`frm bag make`, as a user calls it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_bags import picture

from frm_perception.cli.main import main
from frm_perception.labels import CAMVID
from frm_perception.media.bag_reader import RecordedMessage
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import write_image
from frm_perception.media.legend import legend_space
from frm_perception.media.video import VideoWriter
from frm_perception.scenes import RenderedDrive

SMALL = ('--size', '48x64')


def make(*arguments: object) -> int:
    """Run `frm bag make`."""
    return main(['bag', 'make', *map(str, arguments)])


def read(bag: Path) -> tuple[Recording, dict[str, list[RecordedMessage]]]:
    """Return a bag and its messages by topic."""
    recording = Recording(bag)
    found: dict[str, list[RecordedMessage]] = {topic.name: [] for topic in recording.topics}
    for message in recording.messages(list(found)):
        found[message.topic].append(message)
    assert recording.damage == ()
    return recording, found


def pixels(fields: Any) -> np.ndarray[Any, Any]:
    """Return the pixels of a raw image."""
    return np.reshape(fields.data, (fields.height, fields.width, -1)).squeeze()


def test_a_rendered_drive_comes_with_exact_labels_and_its_camera(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = tmp_path / 'bag'
    assert make('--drive', 5, *SMALL, '--frames', 3, '--rate', 20, '-o', bag) == 0
    assert capsys.readouterr() == (f'{bag} is ready\n', '')
    recording, found = read(bag)
    camera, = recording.cameras
    drive = RenderedDrive(5, 48, 64, 3, 20.0)
    for index in range(3):
        scene = drive[index]
        image, labels, info = (found[topic][index] for topic in (
            camera.topic, camera.labels, camera.info))
        assert np.array_equal(pixels(image.fields), scene.image)
        assert np.array_equal(pixels(labels.fields), scene.labels)
        assert info.fields.k[0] == drive.camera(0.0).focal
        assert {item.stamp_ns for item in (image, labels, info)} == {
            1_000_000_000 + index * 50_000_000}
    legend, = found[camera.legend]
    assert legend_space(legend.fields.data) == CAMVID and recording.topic(camera.legend).latched


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with images/ and labels/, whose void is 11 as in CamVid."""
    for number in range(3):
        write_image(tmp_path / 'images' / f'{number}.png', picture(number))
        labels = np.full((48, 64), number, np.uint8)
        labels[0] = 11
        write_image(tmp_path / 'labels' / f'{number}.png', labels)
    return tmp_path


def test_a_labelled_folder_becomes_a_bag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = folder / 'bag'
    assert make(folder / 'images', '--labels', folder / 'labels', '--label-space', 'camvid',
                '--storage', 'sqlite3', '--camera', 'rear', '-o', bag) == 0
    assert 'no camera_info: give --camera-info or --fov' in capsys.readouterr().err
    recording, found = read(bag)
    camera, = recording.cameras
    assert (camera.name, camera.info, (bag / 'bag.db3').exists()) == ('/rear', '', True)
    for number in range(3):
        assert np.array_equal(pixels(found[camera.topic][number].fields), picture(number))
        labels = pixels(found[camera.labels][number].fields)
        assert set(labels[0]) == {255} and set(labels[1:].ravel()) == {number}
        assert found[camera.labels][number].stamp_ns == 10**9 + number * 10**8


def test_a_video_keeps_its_pace_or_is_thinned(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / 'a.webm', 20) as writer:
        for number in range(20):
            writer.write(picture(number))
    for options, period, count in (((), 50_000_000, 20), (('--rate', 5), 200_000_000, 5),
                                   (('--rate', 5, '--frames', 2), 200_000_000, 2)):
        bag = tmp_path / f'bag {count}'
        assert make(tmp_path / 'a.webm', *options, '--compressed', 'jpeg', '--fov', 90,
                    '-o', bag) == 0
        recording, found = read(bag)
        camera, = recording.cameras
        stamps = [message.stamp_ns for message in found[camera.topic]]
        assert stamps == [10**9 + number * period for number in range(count)]
        assert camera.compressed and camera.topic == '/camera/image_raw/compressed'
        assert found[camera.info][0].fields.k[0] == pytest.approx(32)


def test_a_calibration_becomes_the_camera_info(folder: Path) -> None:
    (folder / 'front.yaml').write_text(json.dumps({
        'image_width': 64, 'image_height': 48, 'camera_name': 'front',
        'distortion_model': 'equidistant', 'distortion_coefficients': {'data': [0.1, 0.2, 0, 0]},
        'camera_matrix': {'data': [51, 0, 30, 0, 52, 20, 0, 0, 1]},
        'rectification_matrix': {'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        'projection_matrix': {'data': [50, 0, 31, 0, 0, 50, 21, 0, 0, 0, 1, 0]}}))
    assert make(folder / 'images', '--camera-info', folder / 'front.yaml', '-o',
                folder / 'bag') == 0
    _, found = read(folder / 'bag')
    for info in found['/camera/camera_info']:
        assert (info.fields.distortion_model, list(info.fields.d)) == (
            'equidistant', [0.1, 0.2, 0, 0])
        assert list(info.fields.k) == [51, 0, 30, 0, 52, 20, 0, 0, 1]
        assert info.fields.p[6] == 21 and (info.fields.height, info.fields.width) == (48, 64)


def test_the_same_command_makes_the_same_bag(tmp_path: Path) -> None:
    for name in ('first', 'second'):
        assert make('--drive', 1, *SMALL, '--frames', 2, '-o', tmp_path / name / 'bag') == 0
    first, second = ((tmp_path / name / 'bag' / 'bag.mcap').read_bytes()
                     for name in ('first', 'second'))
    assert first == second


@pytest.mark.parametrize(('arguments', 'status', 'complaint'), [
    (['--drive', '1', '--labels', '{folder}/labels'], 2, '--label-space need each other'),
    (['--drive', '1', '--labels', '{folder}/labels', '--label-space', 'camvid'], 2,
     'has labels of its own'),
    (['--drive', '-1'], 2, 'seed is -1'),
    (['{folder}/images', '--labels', '{folder}/labels', '--label-space', 'mine'], 2,
     "no label space 'mine'"),
    (['{folder}/images', '--labels', '{folder}/images', '--label-space', 'camvid'], 2,
     'the data cannot be used'),
    (['{folder}/nothing'], 1, 'nothing does not exist'),
    (['{folder}/images', '--camera-info', '{folder}/a.yaml'], 2, 'cannot read .*a.yaml'),
    (['{folder}/images', '--camera', '1st'], 1, "'1st' cannot be the name of a camera"),
    (['{folder}/damaged'], 1, 'cannot read .*b.png'),
])
def test_what_cannot_be_done_is_said_and_leaves_nothing(
        folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int,
        complaint: str) -> None:
    write_image(folder / 'damaged' / 'a.png', picture(0))
    (folder / 'damaged' / 'b.png').write_text('just text')
    before = sorted(folder.iterdir())
    filled = [argument.format(folder=folder) for argument in arguments]
    assert make(*filled, '-o', folder / 'bag') == status
    assert re.search(f'frm bag make: (?s:.)*{complaint}', capsys.readouterr().err)
    assert sorted(folder.iterdir()) == before


def test_a_bag_is_no_source_of_a_bag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = tmp_path / 'bag'
    assert make('--drive', 1, *SMALL, '--frames', 1, '-o', bag) == 0
    assert make('--drive', 1, *SMALL, '--frames', 1, '-o', bag) == 1
    assert 'is there already' in capsys.readouterr().err
    assert make('--drive', 1, *SMALL, '--frames', 1, '-o', bag, '--overwrite') == 0
    assert make(bag, '-o', tmp_path / 'other') == 1
    assert 'is a bag already' in capsys.readouterr().err
