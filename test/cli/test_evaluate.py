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
"""`frm evaluate` on folders of images and labels."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_bundle import TINY

from frm_perception.cli.main import main
from frm_perception.labels import CAMVID
from frm_perception.media.files import write_image
from frm_perception.scenes import RenderedDrive

SKY, ROAD, TREE, CAR = range(4)
VOID = 255

SPACE = """
name: tiny
classes: [sky, road, tree, car]
drivable: [road]
"""


def write_pair(folder: Path, name: str, seen: NDArray[np.uint8], truth: NDArray[np.uint8],
               suffix: str = '.png') -> None:
    """Write an image that the tiny network labels as ``seen``, and what is true of it."""
    write_image(folder / 'images' / f'{name}{suffix}', TINY.colors()[seen])
    write_image(folder / 'labels' / f'{name}.png', truth)


def scene(horizon: int = 48) -> NDArray[np.uint8]:
    """Return (96, 160) labels: sky, below it the road, below that a car's bonnet."""
    labels = np.zeros((96, 160), np.uint8)
    labels[horizon:] = ROAD
    labels[88:] = CAR
    return labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder of three labelled images; one road is a quarter too short."""
    (tmp_path / 'space.yaml').write_text(SPACE)
    for name, horizon in (('a', 48), ('b', 60), ('c', 48)):
        truth = scene(horizon=48)
        truth[:8] = VOID
        write_pair(tmp_path, name, scene(horizon), truth)
    return tmp_path


@pytest.fixture
def evaluate(tiny_bundle: Path, data: Path) -> Callable[..., int]:
    """Return a function that runs `frm evaluate` on the data with the tiny model."""
    def run(*arguments: object, space: str | None = 'space.yaml') -> int:
        chosen = [] if space is None else ['--label-space', str(data / space)]
        return main(['evaluate', '--model', str(tiny_bundle), '--images', str(data / 'images'),
                     '--labels', str(data / 'labels'), '--json', str(data / 'out' / 'result.json'),
                     *chosen, *map(str, arguments)])
    return run


def results(data: Path) -> Any:
    return json.loads((data / 'out' / 'result.json').read_text())


def test_figures_are_those_of_the_labels(evaluate: Callable[..., int], data: Path) -> None:
    assert evaluate() == 0
    found = results(data)
    road, sky, car = 3 * 40 * 160, 3 * 40 * 160, 3 * 8 * 160
    missed = 12 * 160
    assert found['images'] == 3
    assert found['confusion']['classes'] == list(TINY.classes)
    assert found['confusion']['counts'] == [
        [sky, 0, 0, 0], [missed, road - missed, 0, 0], [0, 0, 0, 0], [0, 0, 0, car]]
    assert found['iou'] == {'sky': pytest.approx(sky / (sky + missed)), 'tree': None,
                            'road': pytest.approx((road - missed) / road), 'car': 1}
    assert found['drivable_iou'] == found['iou']['road'] == found['drivable_recall']
    assert found['drivable_precision'] == 1
    assert found['pixel_accuracy'] == pytest.approx(1 - missed / (road + sky + car))
    assert found['boundary_iou']['car'] == 1 and 0 < found['boundary_iou']['road'] < 1
    assert sum(row['pixels'] for row in found['calibration']['bins']) == road + sky + car
    assert [row['image'] for row in found['worst_drivable']] == ['b.png', 'a.png', 'c.png']
    assert found['worst_drivable'][0]['drivable_iou'] < 1


def test_the_file_says_what_was_measured_and_with_what(
        evaluate: Callable[..., int], tiny_bundle: Path, data: Path) -> None:
    assert evaluate('--threads', '1', '--resolution', '192x320', '--provider', 'cpu') == 0
    found = results(data)
    model = found['model']
    assert model['sha256'] == hashlib.sha256(Path(model['file']).read_bytes()).hexdigest()
    assert Path(model['file']).parent == tiny_bundle
    assert (model['bundle'], model['precision'], model['provider'], model['threads'],
            model['resolution']) == ('tiny', 'fp32', 'cpu', 1, [192, 320])
    assert found['data']['images'] == str(data / 'images')
    assert found['data']['labels'] == str(data / 'labels')
    assert found['compared'] == {
        'classes': list(TINY.classes), 'only_in_model': [], 'only_in_data': []}
    assert 'onnxruntime' in found['versions'] and found['machine']['cores'] >= 1
    assert found['warm_up_images'] == 1
    for stage in ('prepare', 'infer', 'decide', 'total'):
        figures = found['milliseconds'][stage]
        assert 0 <= figures['p50'] <= figures['p95'] <= figures['p99']


def test_a_single_image_has_a_latency_too(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ('b', 'c'):
        (data / 'images' / f'{name}.png').unlink()
    assert evaluate() == 0
    assert results(data)['images'] == 1
    assert results(data)['milliseconds']['total']['p50'] > 0
    assert '| total' in capsys.readouterr().out


def test_suffixes_may_be_in_capitals(evaluate: Callable[..., int], data: Path) -> None:
    for folder, name in (('images', 'a.png'), ('labels', 'b.png')):
        (data / folder / name).rename((data / folder / name).with_suffix('.PNG'))
    assert evaluate() == 0
    assert results(data)['images'] == 3


def test_what_is_printed_is_readable(
        evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate() == 0
    shown = capsys.readouterr().out
    assert 'tiny at 96x160 (fp32, cpu) on 3 images' in shown
    assert '| tree           | -      | -               |' in shown
    assert '| car            | 100.0  | 100.0           |' in shown
    assert 'Least drivable IoU: 70.0 % in b.png.' in shown
    assert '| total' in shown and 'Calibration error (ECE)' in shown


def test_labels_that_only_tell_drivable(evaluate: Callable[..., int], data: Path) -> None:
    for file in (data / 'labels').iterdir():
        labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        mask = np.where(labels == ROAD, 0, 1)
        write_image(file, np.where(labels == VOID, VOID, mask).astype(np.uint8))
    assert evaluate('--drivable-ids', 0, '--ignore-ids', 255, space=None) == 0
    found = results(data)
    road, missed = 3 * 40 * 160, 12 * 160
    assert found['drivable_iou'] == pytest.approx((road - missed) / road)
    assert found['confusion']['classes'] == ['drivable', 'not drivable']
    assert found['confusion']['counts'] == [
        [road - missed, missed], [0, 3 * 48 * 160]]
    assert 'iou' not in found and 'mean_iou' not in found
    assert found['data']['drivable_ids'] == [0] and found['data']['ignore_ids'] == [255]


def test_drivable_ids_that_no_label_has_are_refused_with_those_that_occur(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate('--drivable-ids', 7, 9, space=None) == 2
    said = capsys.readouterr().err
    assert 'labels have none of the ids that count here, 7, 9; they hold 0..1, 3, 255' in said
    assert not (data / 'out' / 'result.json').exists()


def test_labels_that_are_all_void_are_refused(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (data / 'labels').iterdir():
        write_image(file, np.full((96, 160), VOID, np.uint8))
    assert evaluate() == 2
    assert 'nothing that counts: 1' in capsys.readouterr().err


def test_a_label_space_beside_drivable_ids_is_said_to_be_of_no_use(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate('--drivable-ids', ROAD) == 0
    assert 'is of no use with --drivable-ids' in capsys.readouterr().err
    assert results(data)['data']['label_space'] is None


def test_classes_of_another_label_space_are_compared_by_name(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / 'finer.yaml').write_text(
        'name: finer\nclasses: [bus, road, sky, truck, tunnel]\ndrivable: [road]\nignore: [9]\n')
    table = np.full(256, VOID, np.uint8)
    table[[SKY, ROAD, CAR, VOID]] = [2, 1, 3, 9]
    for file in (data / 'labels').iterdir():
        write_image(file, table[cv2.imread(str(file), cv2.IMREAD_UNCHANGED)])
    assert evaluate(space='finer.yaml') == 0
    found = results(data)
    assert found['compared'] == {'classes': ['car', 'road', 'sky'], 'only_in_model': ['tree'],
                                 'only_in_data': ['tunnel']}
    assert found['iou']['car'] == 1
    shown = capsys.readouterr().out
    assert 'the data do not have them: tree' in shown
    assert 'the model does not have them: tunnel' in shown


def test_camvids_void_is_known_by_its_name(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = np.full(256, VOID, np.uint8)
    table[[SKY, ROAD, CAR, VOID]] = [CAMVID.classes.index(name) for name in (
        'sky', 'road', 'car')] + [11]
    for file in (data / 'labels').iterdir():
        write_image(file, table[cv2.imread(str(file), cv2.IMREAD_UNCHANGED)])
    assert evaluate('--label-space', 'camvid', space=None) == 0
    assert results(data)['iou']['car'] == 1
    assert evaluate() == 2
    assert "a.png: ids [8, 11] are not in label space 'tiny'" in capsys.readouterr().err


def test_more_ids_can_be_ignored(evaluate: Callable[..., int], data: Path) -> None:
    assert evaluate('--ignore-ids', CAR) == 0
    assert results(data)['compared']['classes'] == ['sky', 'road', 'tree']


def test_everything_wrong_with_the_data_is_said_before_the_first_inference(
        evaluate: Callable[..., int], tiny_bundle: Path, data: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    # A model that cannot be loaded: were it tried first, its own error would come up.
    (tiny_bundle / 'fp32.onnx').write_bytes(b'')
    good = scene()
    for name in ('unlabelled', 'small', 'ids', 'broken', 'colour', 'halved'):
        write_pair(data, name, good, good)
    labels = data / 'labels'
    (labels / 'unlabelled.png').unlink()
    write_image(labels / 'small.png', good[:48])
    write_image(labels / 'ids.png', np.where(good == CAR, 4, good).astype(np.uint8))
    (data / 'images' / 'broken.png').write_text('just text')
    write_image(labels / 'colour.png', TINY.colors()[good])
    (labels / 'halved.png').write_bytes((labels / 'halved.png').read_bytes()[:60])
    (labels / 'c.png').write_bytes(b'')
    write_image(data / 'images' / 'a.bmp', TINY.colors()[good])
    assert evaluate() == 2
    message = capsys.readouterr().err
    assert 'the data cannot be used (unreadable: 3, ' in message
    for complaint in (
            f'{labels / "unlabelled.png"}: there is no such file',
            f'{labels / "small.png"}: 160x48 pixels',
            f"{labels / 'ids.png'}: ids [4] are not in label space 'tiny'",
            f'{data / "images" / "broken.png"}: not a readable image',
            f'{labels / "colour.png"}: class ids of up to 8 bits are needed',
            f'{labels / "halved.png"}: not a readable image',
            f'{labels / "c.png"}: not a readable image',
            'a.bmp and a.png'):
        assert complaint in message, complaint
    assert not (data / 'out' / 'result.json').exists()


def test_a_long_list_of_problems_is_counted(
        evaluate: Callable[..., int], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(30):
        write_image(data / 'images' / f'{index}.png', TINY.colors()[scene()])
    assert evaluate() == 2
    message = capsys.readouterr().err
    assert 'labels missing: 30' in message and 'and 10 more' in message


@pytest.mark.parametrize(('options', 'complaint'), [
    (['--label-space', 'nowhere'], "no label space 'nowhere'"),
    (['--label-space', 'missing.yaml'], 'cannot read missing.yaml'),
    (['--images', 'missing'], 'missing is not a folder'),
    (['--labels', 'missing'], 'missing is not a folder'),
    (['--resolution', '100x100'], 'multiples of 32'),
    (['--precision', 'int8'], "no precision 'int8'"),
    (['--threads', '-2'], 'threads is -2'),
    (['--drivable-ids', '0', '--ignore-ids', '0'], 'cannot be both drivable and ignored'),
    (['--json', '.'], 'is a folder'),
])
def test_options_that_make_no_sense_are_explained(
        evaluate: Callable[..., int], options: list[str], complaint: str, data: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(data)
    assert evaluate(*options) == 2
    assert complaint in capsys.readouterr().err


def test_what_the_labels_mean_must_be_said(
        evaluate: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(space=None) == 2
    assert 'give --label-space, or --drivable-ids' in capsys.readouterr().err


def test_ctrl_c_leaves_the_results_of_an_earlier_run(tiny_bundle: Path, data: Path) -> None:
    for index in range(1000):
        for folder in ('images', 'labels'):
            (data / folder / f'a{index}.png').hardlink_to(data / folder / 'a.png')
    out = data / 'out'
    out.mkdir()
    (out / 'result.json').write_text('of an earlier run')
    command = [sys.executable, '-c',
               'import sys, frm_perception.evaluation.evaluate as module\n'
               'real = module.evaluate\n'
               'module.evaluate = lambda *rest: (print("begun", flush=True), real(*rest))[1]\n'
               'from frm_perception.cli.main import main\nsys.exit(main(sys.argv[1:]))',
               'evaluate', '--model', str(tiny_bundle), '--images', str(data / 'images'),
               '--labels', str(data / 'labels'), '--label-space', str(data / 'space.yaml'),
               '--json', str(out / 'result.json')]
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == 'begun\n'
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert 'interrupted' in errors and 'Traceback' not in errors
    assert [file.name for file in out.iterdir()] == ['result.json']
    assert (out / 'result.json').read_text() == 'of an earlier run'


def test_the_packaged_model_knows_a_rendered_road(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive = RenderedDrive(7, 180, 240, 40)
    for index in range(0, 40, 20):
        write_image(tmp_path / 'images' / f'{index}.png', drive[index].image)
        write_image(tmp_path / 'labels' / f'{index}.png', drive[index].labels)
    assert main(['evaluate', '--images', str(tmp_path / 'images'), '--labels',
                 str(tmp_path / 'labels'), '--label-space', 'camvid', '--resolution', '192x256',
                 '--provider', 'cpu', '--threads', '1', '--json', str(tmp_path / 'a.json')]) == 0
    found = json.loads((tmp_path / 'a.json').read_text())
    assert found['drivable_iou'] > 0.8 and found['mean_iou'] > 0.3
    assert found['compared']['classes'] == list(CAMVID.classes)
    assert 'boundary IoU' in capsys.readouterr().out
