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
"""`frm bag extract`, as a user calls it, on runs of `frm bag evaluate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from labelled_drives import SIZE
from labelled_drives import labelled
from labelled_drives import legend
from labelled_drives import painted
from labelled_drives import raw
from labelled_drives import scene
from labelled_drives import truth
from labelled_drives import unlabelled
from labelled_drives import write_drive
from tiny_bundle import TINY

from frm_perception.cli.main import main
from frm_perception.labels import CAMVID
from frm_perception.media.frames import read_frames
from frm_perception.media.frames import read_image
from frm_perception.media.label_png import decode_ids
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training.config import FolderData
from frm_perception.training.data.layouts import list_labelled

WRONG = (4, 17)


def extract(*arguments: object) -> int:
    """Run `frm bag extract`."""
    return main(['bag', 'extract', *map(str, arguments)])


def evaluate(bags: list[Path], bundle: Path, folder: Path) -> Path:
    """Return the folder of a run."""
    assert main(['bag', 'evaluate', *map(str, bags), '--model', str(bundle), '-o',
                 str(folder)]) == 0
    return folder


@pytest.fixture
def run(tmp_path: Path, tiny_bundle: Path) -> Path:
    """Return a run of a drive on which the model is wrong twice, and of one without labels."""
    messages = [legend('/front')]
    for number in range(24):
        image = painted(scene(number), number)
        if number in WRONG:
            image = np.roll(image, 48, axis=0)
        messages += [raw('/front', number, image), truth('/front', number, scene(number))]
    drive = write_drive(tmp_path / 'drive', messages)
    other = write_drive(tmp_path / 'other', unlabelled('/rear', 5), storage='sqlite3')
    return evaluate([drive, other], tiny_bundle, tmp_path / 'run')


def test_the_frames_on_which_the_model_is_worst_can_be_trained_on(
        tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / 'worst'
    assert extract(run, '-o', folder, '--most', 2, '--by', 'iou') == 0
    assert '2 frames are in' in capsys.readouterr().out
    names = [f'drive-front-image-raw_{number:06}.png' for number in WRONG]
    assert sorted(file.name for file in (folder / 'images').iterdir()) == names
    for name, number in zip(names, WRONG):
        assert np.array_equal(read_image(folder / 'images' / name),
                              np.roll(painted(scene(number), number), 48, axis=0))
        labels = decode_ids((folder / 'labels' / name).read_bytes())
        assert np.array_equal(labels, scene(number))
    assert find_label_space(str(folder / 'label_space.yaml')) == TINY
    assert not (folder / 'drafts').exists()
    origin = json.loads((folder / 'origin.json').read_text())
    assert origin['chosen'] == {'most': 2, 'by': 'iou', 'apart_s': 1.0}
    assert origin['model']['bundle'] == 'tiny'
    first, second = origin['images']
    assert {first['index'], second['index']} == set(WRONG)
    assert first['labels'] is True and first['iou'] < 0.5
    data = FolderData(str(folder / 'images'), str(folder / 'labels'),
                      str(folder / 'label_space.yaml'))
    found = list_labelled(data, TINY)
    assert [item.sequence for item in found.images] == ['drive-front-image-raw'] * 2
    image, ids = found.images[0].read()
    assert image.shape == (*SIZE, 3) and np.array_equal(ids, scene(WRONG[0]))


def test_drafts_are_the_labels_of_the_model_that_was_evaluated(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / 'unsure'
    assert extract(run, '-o', folder, '--by', 'confidence', '--apart', 0.3, '--draft') == 0
    images = sorted((folder / 'images').iterdir())
    assert [file.name for file in sorted((folder / 'drafts').iterdir())] == [
        file.name for file in images]
    # Those of the drive without labels are to be labelled.
    unlabelled_ones = {file.name for file in images if file.name.startswith('other')}
    assert len(unlabelled_ones) == 2
    assert {file.name for file in (folder / 'labels').iterdir()} == {
        file.name for file in images} - unlabelled_ones
    for file in (folder / 'drafts').iterdir():
        number = int(file.stem.split('_')[1])
        if number not in WRONG:
            ids = decode_ids(file.read_bytes())
            assert np.mean(ids == scene(number)) > 0.97
    data = FolderData(str(folder / 'images'), str(folder / 'drafts'),
                      str(folder / 'draft_label_space.yaml'))
    assert len(list_labelled(data, TINY).images) == len(images)


def test_bags_with_labels_of_other_meanings_are_kept_apart(
        tmp_path: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_drive(tmp_path / 'drive', labelled('/front', 2)[1:])  # no legend
    run = tmp_path / 'run'
    assert main(['bag', 'evaluate', str(bag), '--model', str(tiny_bundle), '-o', str(run),
                 '--label-space', 'camvid']) == 0
    assert extract(run, '-o', tmp_path / 'none') == 3
    assert '--label-space says what they mean' in capsys.readouterr().err
    assert not (tmp_path / 'none' / 'labels').exists()
    assert extract(run, '-o', tmp_path / 'some', '--label-space', 'camvid') == 0
    assert find_label_space(str(tmp_path / 'some' / 'label_space.yaml')) == CAMVID


def test_a_calibration_set_is_what_quantize_takes(tmp_path: Path) -> None:
    bags = [write_drive(tmp_path / name, unlabelled('/front', 10)) for name in ('one', 'two')]
    folder = tmp_path / 'set'
    assert extract(*bags, '-o', folder, '--calibration', 4) == 0
    frames = list(read_frames(folder))
    assert [Path(frame.name).name for frame in frames] == [
        f'{bag}-front-image-raw-compressed_{number:06}.png'
        for bag in ('0-one', '1-two') for number in (2, 7)]
    assert {frame.image.shape for frame in frames} == {(*SIZE, 3)}


def test_what_cannot_be_done_is_said_and_leaves_nothing(
        tmp_path: Path, run: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(status: int, complaint: str, *arguments: object) -> None:
        before = sorted(tmp_path.iterdir())
        capsys.readouterr()
        assert extract(*arguments) == status
        assert complaint in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == before

    folder = tmp_path / 'worst'
    refused(2, 'is not the folder of a run', tmp_path / 'drive', '-o', folder)
    refused(2, 'no frame of the run has alarms', run, '-o', folder, '--by', 'alarms')
    refused(2, 'the folder of one run', run, run, '-o', folder)
    refused(1, 'was not extracted from bags', run, '-o', run)
    report = json.loads((run / 'report.json').read_text())
    report['model']['file'] = None
    (run / 'report.json').write_text(json.dumps(report))
    refused(2, 'is not on this computer', run, '-o', folder, '--draft')
    report['model']['file'] = str(tiny_bundle / 'fp32.onnx')
    (run / 'report.json').write_text(json.dumps(report))
    (tiny_bundle / 'fp32.onnx').rename(tmp_path / 'fp32.onnx')
    refused(2, 'fp32.onnx', run, '-o', folder, '--draft')
    shutil.rmtree(tmp_path / 'other')
    refused(1, 'other, a bag of the run, is not there', run, '-o', folder)
