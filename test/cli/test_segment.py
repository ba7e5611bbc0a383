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
"""`frm segment`, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore
from tiny_bundle import TINY
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.media.files import write_image
from frm_perception.media.frames import read_frames
from frm_perception.media.frames import read_image
from frm_perception.media.segment_files import output_names
from frm_perception.media.video import VideoWriter

ROAD = TINY.classes.index('road')


def _scene() -> NDArray[np.uint8]:
    """Return (96, 160) labels: sky above, road below."""
    labels = np.zeros((96, 160), np.uint8)
    labels[48:] = ROAD
    return labels


def _write_scene(file: Path) -> Path:
    write_image(file, TINY.colors()[_scene()])
    return file


def _write_video(file: Path, frames: int) -> Path:
    with VideoWriter(file, 10) as video:
        for _ in range(frames):
            video.write(TINY.colors()[_scene()])
    return file


def _labels(file: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8)


@pytest.fixture
def segment(tiny_bundle: Path, tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs `frm segment ... -o <tmp_path>/out` with the tiny model."""
    def run(*arguments: object) -> int:
        return main(['segment', *map(str, arguments), '-o', str(tmp_path / 'out'),
                     '--model', str(tiny_bundle)])
    return run


def _summary(tmp_path: Path) -> Any:
    return json.loads((tmp_path / 'out' / 'summary.json').read_text())


def test_an_image_becomes_labels_drivable_area_and_a_picture(
        segment: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert segment(_write_scene(tmp_path / 'a.png')) == 0
    assert np.array_equal(_labels(tmp_path / 'out' / 'a_label.png'), _scene())
    assert np.array_equal(_labels(tmp_path / 'out' / 'a_drivable.png'),
                          np.where(_scene() == ROAD, 255, 0))
    assert read_image(tmp_path / 'out' / 'a_overlay.jpg').shape == (96, 160, 3)
    assert '1 frames labelled by tiny at 96x160 (fp32, cpu)' in capsys.readouterr().out


def test_the_summary_says_what_was_done_with_what(
        segment: Callable[..., int], tmp_path: Path) -> None:
    image = _write_scene(tmp_path / 'a.png')
    assert segment(image, '--provider', 'cpu', '--resolution', '64x96', '--threads', '1') == 0
    summary = _summary(tmp_path)
    assert summary['frames'] == 1 and summary['unreadable'] == {}
    assert summary['results'] == {
        str(image): ['a_label.png', 'a_drivable.png', 'a_overlay.jpg']}
    model = summary['model']
    assert (model['bundle'], model['provider'], model['fallback']) == ('tiny', 'cpu', None)
    assert (model['resolution'], model['threads']) == ([64, 96], 1)
    for stage in ('prepare', 'infer', 'decide', 'total'):
        figures = summary['milliseconds'][stage]
        assert 0 <= figures['p50'] <= figures['p95'] <= figures['p99']


def test_a_video_becomes_a_video_of_the_same_length_and_rate(
        segment: Callable[..., int], tmp_path: Path) -> None:
    assert segment(_write_video(tmp_path / 'a.webm', 7)) == 0
    frames = read_frames(tmp_path / 'out' / 'a_overlay.webm')
    assert len(list(frames)) == 7 and frames.rate == pytest.approx(10)
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == [
        'a_overlay.webm', 'summary.json']


def test_labels_of_a_video_are_saved_on_request(
        segment: Callable[..., int], tmp_path: Path) -> None:
    assert segment(_write_video(tmp_path / 'a.webm', 3), '--save-labels') == 0
    for kind in ('label', 'drivable'):
        files = sorted((tmp_path / 'out' / f'a_{kind}').iterdir())
        assert [file.name for file in files] == ['000000.png', '000001.png', '000002.png']
    assert np.mean(_labels(tmp_path / 'out' / 'a_label' / '000002.png') != _scene()) < 0.02


def test_a_folder_is_all_its_images(segment: Callable[..., int], tmp_path: Path) -> None:
    folder = tmp_path / 'in'
    for name in ('a.png', 'b.bmp'):
        _write_scene(folder / name)
    assert segment(folder, folder / 'a.png') == 0
    assert list(_summary(tmp_path)['results']) == [str(folder / 'a.png'), str(folder / 'b.bmp')]


def test_images_of_the_same_name_do_not_overwrite_each_other(
        segment: Callable[..., int], tmp_path: Path) -> None:
    files = [_write_scene(tmp_path / name) for name in ('x/a.png', 'x/a.bmp', 'y/a.png')]
    assert segment(*files) == 0
    written = [name for names in _summary(tmp_path)['results'].values() for name in names]
    assert len(written) == len(set(written)) == 9
    assert all((tmp_path / 'out' / name).is_file() for name in written)


@given(st.lists(st.tuples(st.sampled_from(['x', 'y']),
                          st.sampled_from(['a', 'b', 'a_png', 'a_png-2', 'a_jpg']),
                          st.sampled_from(['.png', '.jpg'])), unique=True))
def test_every_file_has_a_name_of_its_own(parts: list[tuple[str, str, str]]) -> None:
    files = [Path(folder) / f'{stem}{suffix}' for folder, stem, suffix in parts]
    names = output_names(files)
    assert len(set(names)) == len(files)
    assert all(stem in name for (_, stem, _), name in zip(parts, names, strict=True))


def test_unreadable_inputs_are_named_and_the_others_done(
        segment: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = _write_scene(tmp_path / 'good.png')
    (tmp_path / 'text.png').write_text('just text')
    (tmp_path / 'text.mp4').write_text('just text')
    (tmp_path / 'empty').mkdir()
    bad = [tmp_path / name for name in ('text.png', 'text.mp4', 'empty', 'missing.jpg')]
    assert segment(good, *bad) == 1
    summary = _summary(tmp_path)
    assert list(summary['results']) == [str(good)]
    assert sorted(summary['unreadable']) == sorted(map(str, bad))
    complaints = capsys.readouterr().err
    assert all(str(file) in complaints for file in bad)


def test_a_damaged_video_is_labelled_as_far_as_it_goes(
        segment: Callable[..., int], tmp_path: Path) -> None:
    video = tmp_path / 'a.webm'
    random = np.random.default_rng(0)
    with VideoWriter(video, 10) as writer:
        for _ in range(40):
            writer.write(random.integers(0, 256, (96, 160, 3), np.uint8))
    data = video.read_bytes()
    video.write_bytes(data[:len(data) // 2])
    assert segment(video) == 1
    summary = _summary(tmp_path)
    assert 'is damaged' in summary['unreadable'][str(video)]
    assert 5 < summary['frames'] < 35
    assert len(list(read_frames(tmp_path / 'out' / 'a_overlay.webm'))) == summary['frames']


def test_a_bag_whose_images_change_size_becomes_one_video(
        segment: Callable[..., int], tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = store.types
    with Writer(tmp_path / 'bag', version=9) as bag:
        connection = bag.add_connection('/a', 'sensor_msgs/msg/Image', typestore=store)
        for index, height in enumerate((96, 96, 64, 128)):
            header = kinds['std_msgs/msg/Header'](
                kinds['builtin_interfaces/msg/Time'](1 + index, 0), 'front')
            message = kinds['sensor_msgs/msg/Image'](
                header, height, 160, 'rgb8', 0, 480, np.zeros(height * 480, np.uint8))
            bag.write(connection, (1 + index) * 10**9,
                      store.serialize_cdr(message, 'sensor_msgs/msg/Image'))
    assert segment(tmp_path / 'bag', '--save-labels') == 0
    frames = list(read_frames(tmp_path / 'out' / 'bag_overlay.webm'))
    assert [frame.image.shape for frame in frames] == [(96, 160, 3)] * 4
    assert [_labels(tmp_path / 'out' / 'bag_label' / f'{index:06}.png').shape[0]
            for index in range(4)] == [96, 96, 64, 128]


def test_nothing_readable_is_a_failure(segment: Callable[..., int], tmp_path: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert segment(tmp_path / 'missing.png') == 1
    assert 'nothing could be labelled' in capsys.readouterr().err


def test_results_replace_those_of_an_earlier_run(
        segment: Callable[..., int], tmp_path: Path) -> None:
    image = _write_scene(tmp_path / 'a.png')
    assert segment(image) == 0
    write_image(image, TINY.colors()[np.full((96, 160), 2, np.uint8)])
    assert segment(image) == 0
    assert (_labels(tmp_path / 'out' / 'a_label.png') == 2).all()


def test_results_among_the_inputs_are_refused(
        segment: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_scene(tmp_path / 'out' / 'a.png')
    assert segment(tmp_path / 'out') == 1
    assert 'write the results to another folder' in capsys.readouterr().err


def test_an_output_that_is_a_file_is_an_error(
        segment: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'out').write_text('in the way')
    assert segment(_write_scene(tmp_path / 'a.png')) == 1
    assert str(tmp_path / 'out') in capsys.readouterr().err


@pytest.mark.parametrize(('options', 'complaint'), [
    (['--resolution', '100x100'], 'multiples of 32'),
    (['--precision', 'int8'], "no precision 'int8'; it has fp32"),
    (['--provider', 'gpu'], 'auto, tensorrt, cuda, cpu, openvino'),
    (['--threads', '-2'], 'threads is -2'),
    (['--backbone', 'van_b0'], '--model or --backbone, not both'),
    (['--model', './missing'], 'no model bundle at missing'),
    (['--model', 'no-such-name'], "no model 'no-such-name'"),
])
def test_options_that_make_no_sense_are_explained(
        segment: Callable[..., int], tiny_bundle: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str],
        complaint: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('frm_perception.runtime.share.share_folder', lambda _: tiny_bundle.parent)
    arguments = ['segment', 'a.png', '-o', 'out', '--model', str(tiny_bundle), *options]
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_packaged_models_are_found_by_name_and_by_backbone(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('one', 'two'):
        write_tiny_bundle(tmp_path / 'share/frm_perception/models', name, f'backbone-{name}')
    monkeypatch.setattr('frm_perception.runtime.share.share_folder',
                        lambda name: tmp_path / 'share/frm_perception' / name)
    image = str(_write_scene(tmp_path / 'a.png'))
    for options, expected in (([], 'two'), (['--model', 'one'], 'one'),
                              (['--backbone', 'backbone-one'], 'one')):
        assert main(['segment', image, '-o', str(tmp_path / 'out'), *options]) == 0
        assert _summary(tmp_path)['model']['bundle'] == expected


def test_ctrl_c_leaves_no_half_written_file(tiny_bundle: Path, tmp_path: Path) -> None:
    video = _write_video(tmp_path / 'a.webm', 40)
    # Links count as inputs of their own: work enough to be interrupted in the middle.
    inputs = []
    for index in range(200):
        inputs.append(tmp_path / f'{index}.webm')
        inputs[-1].hardlink_to(video)
    out = tmp_path / 'out'
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, '-m', 'frm_perception.cli.main', 'segment', *map(str, inputs), '-o',
         str(out), '--model', str(tiny_bundle)], env=environment, stderr=subprocess.PIPE,
        text=True)
    deadline = time.monotonic() + 60
    while not any(out.glob('.*.webm')) or not any(out.glob('[0-9]*.webm')):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert 'interrupted' in errors and 'Traceback' not in errors
    for file in out.iterdir():
        assert not file.name.startswith('.')
        assert len(list(read_frames(file))) == 40
