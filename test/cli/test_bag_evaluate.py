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
"""`frm bag evaluate`, as a user runs it."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive_runs import run_command
from drive_runs import without_times
from labelled_drives import CAR
from labelled_drives import ROAD
from labelled_drives import labelled
from labelled_drives import painted
from labelled_drives import raw
from labelled_drives import scene
from labelled_drives import truth
from labelled_drives import unlabelled
from labelled_drives import write_drive
from recorded_bags import storage_file
from tiny_bundle import TINY
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.evaluation.drive.run_folder import RunFolder

FRONT = '/front/image_raw'
REAR = '/rear/image_raw/compressed'

Evaluate = Callable[..., int]


@pytest.fixture
def evaluate(tiny_bundle: Path, tmp_path: Path) -> Evaluate:
    """Return a function that runs `frm bag evaluate` with the tiny model, into `run`."""
    def run(*arguments: object, out: str = 'run') -> int:
        return main(['bag', 'evaluate', '--model', str(tiny_bundle), '--output',
                     str(tmp_path / out), *map(str, arguments)])
    return run


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """Return a bag of a labelled camera with raw images and one with JPEGs and no labels."""
    return write_drive(tmp_path / 'drive', labelled('/front', 12), unlabelled('/rear', 12))


def report(folder: Path) -> Any:
    return RunFolder(folder).read_report()


def test_every_frame_is_scored_and_labels_are_compared(
        evaluate: Evaluate, drive: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drive) == 0

    found = report(tmp_path / 'run')
    assert found['complete'] and found['bags'][0]['damage'] == []
    assert (found['figures']['frames'], found['figures']['labelled']) == (24, 12)
    assert {topic: figures['frames'] for topic, figures in found['cameras'].items()} == {
        FRONT: 12, REAR: 12}
    front = found['cameras'][FRONT]
    assert 0.97 < front['mean_iou'] < 1 and 0.97 < front['drivable_iou'] < 1
    assert sum(map(sum, front['confusion']['counts'])) == 12 * 96 * 160
    assert front['confusion'] == found['figures']['confusion']
    assert found['cameras'][REAR]['mean_iou'] is None
    assert found['cameras'][REAR]['stability'] > 0.97
    assert found['timings']['cameras'][REAR]['decode']['p50'] > 0
    out, err = capsys.readouterr()
    assert '| drivable IoU' in out and '| total' in out and err == ''
    assert all((tmp_path / 'run' / name).stat().st_size > 1000
               for name in ('report.html', 'report.md'))
    assert 'drive: 12 of 24 frames have labels; 0 images and 0 labels have no partner' in out


def test_a_run_has_pictures_spread_over_the_drive_and_of_the_worst_frames(
        evaluate: Evaluate, drive: Path, tmp_path: Path) -> None:
    assert evaluate(drive) == 0

    found = report(tmp_path / 'run')
    assert len(list((tmp_path / 'run' / 'overlays').rglob('[0-9].jpg'))) == 20
    assert found['worst'] and all((tmp_path / 'run' / worst['overlay']).is_file()
                                  for worst in found['worst'])


def test_two_runs_differ_in_nothing_but_times(
        drive: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    other = write_drive(tmp_path / 'other', labelled('/front', 5), storage='sqlite3')
    for folder, more in (('one', []), ('two', []), ('one again', ['--restart'])):
        process = run_command(drive, other, '--model', tiny_bundle, *more, '--output',
                              tmp_path / folder.partition(' ')[0])
        assert process.wait(timeout=60) == 0, process.communicate()
        if folder == 'one':
            first = without_times(tmp_path / 'one')

    assert len(first[1]) == 24 + 5
    assert without_times(tmp_path / 'two') == first
    assert without_times(tmp_path / 'one') == first


@pytest.mark.parametrize('signal_number', [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_to_the_same_figures(
        tiny_bundle: Path, tmp_path: Path, signal_number: int) -> None:
    bag = write_drive(tmp_path / 'drive', labelled('/front', 60), unlabelled('/rear', 60))
    lines = RunFolder(tmp_path / 'run').records_file('drive', REAR)
    process = run_command(bag, '--model', tiny_bundle, '--output', tmp_path / 'run')
    while process.poll() is None and not (lines.exists() and lines.read_bytes()):
        time.sleep(0.001)
    os.kill(process.pid, signal_number)
    status = process.wait(timeout=60)

    assert status == (130 if signal_number == signal.SIGINT else -signal.SIGKILL)
    assert report(tmp_path / 'run')['complete'] is False
    before = len(lines.read_text().splitlines())
    assert before < 60
    if signal_number == signal.SIGINT:
        error = process.communicate()[1]
        assert f'interrupted; the same command goes on from {tmp_path / "run"}' in error
        assert 'Traceback' not in error
        assert report(tmp_path / 'run')['cameras'][REAR]['frames'] == before
    for folder in ('run', 'whole'):
        assert main(['bag', 'evaluate', str(bag), '--model', str(tiny_bundle), '--output',
                     str(tmp_path / folder)]) == 0
    assert without_times(tmp_path / 'run') == without_times(tmp_path / 'whole')


def test_a_finished_run_is_told_again_without_work(
        evaluate: Evaluate, drive: Path, tmp_path: Path) -> None:
    assert evaluate(drive) == 0
    before = report(tmp_path / 'run')
    assert evaluate(drive) == 0
    assert report(tmp_path / 'run') == before


def test_a_folder_of_another_run_is_refused_unless_it_may_be_forgotten(
        evaluate: Evaluate, drive: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drive) == 0
    assert evaluate(drive, '--resolution', '192x320') == 2
    assert ('has a run of something else: model resolution is [96, 160] there and [192, 320] '
            'here. Choose another folder, or --restart') in capsys.readouterr().err
    assert evaluate(drive, '--resolution', '192x320', '--restart') == 0
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.tex').touch()
    assert evaluate(drive, '--restart', out='mine') == 2
    assert 'holds thesis.tex' in capsys.readouterr().err
    assert list((tmp_path / 'mine').iterdir()) == [tmp_path / 'mine' / 'thesis.tex']


def test_frames_without_a_report_are_not_taken_for_a_runs(
        evaluate: Evaluate, drive: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drive) == 0
    (tmp_path / 'run' / 'report.json').unlink()
    assert evaluate(drive) == 2
    assert 'has frames, but no report that says of what' in capsys.readouterr().err
    assert evaluate(drive, '--restart') == 0


def test_records_that_the_model_does_not_make_now_are_refused(
        evaluate: Evaluate, drive: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drive) == 0
    folder = RunFolder(tmp_path / 'run')
    folder.write_report({**report(tmp_path / 'run'), 'complete': False})
    lines = folder.records_file('drive', FRONT)
    *before, last = lines.read_text().splitlines()
    digest = json.loads(last)['labels_digest']
    lines.write_text('\n'.join([*before, last.replace(digest, digest[::-1])]) + '\n')
    assert evaluate(drive) == 2
    assert f'{FRONT}: frame 11 has other labels now' in capsys.readouterr().err


def test_what_is_damaged_is_said_and_the_rest_evaluated(
        evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = unlabelled('/rear', 12)
    messages[5][2].data = messages[5][2].data[:-200]
    messages += labelled('/front', 12)
    bag = write_drive(tmp_path / 'drive', messages)
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:file.stat().st_size * 2 // 3])

    assert evaluate(bag) == 3

    found = report(tmp_path / 'run')
    damage = found['bags'][0]['damage']
    assert any('1 images of /rear/image_raw/compressed cannot be decoded, such as message 5'
               in text for text in damage)
    frames = found['bags'][0]['frames']
    assert frames > 8 and frames + found['bags'][0]['unread'] == 24
    err = capsys.readouterr().err
    assert all(f'frm bag evaluate: warning: drive: {text}' in err for text in damage)
    before = without_times(tmp_path / 'run')
    (tmp_path / 'run' / 'report.json').write_text(
        json.dumps({**found, 'complete': False}))
    assert evaluate(bag) == 3  # what was damaged is known after a resume, too
    assert without_times(tmp_path / 'run') == before


def test_a_bag_that_cannot_be_opened_does_not_stop_the_others(
        evaluate: Evaluate, drive: Path, tmp_path: Path) -> None:
    (tmp_path / 'broken.mcap').write_bytes(b'\0' * 1000)
    assert evaluate(drive, tmp_path / 'broken.mcap') == 3
    broken = report(tmp_path / 'run')['bags'][1]
    assert broken['cameras'] == [] and 'cannot read the bag' in broken['damage'][0]


@pytest.mark.parametrize(('arguments', 'problem'), [
    (['nowhere'], 'nowhere does not exist'),
    (['{drive}', '--topic', '/side'], 'no images of a camera on /side; it has them on /front/ima'),
    (['{drive}', '--topic', FRONT, '--labels-topic', '/x'], "does not have '/x'"),
    (['{drive}', '--labels-topic', '/x'], 'needs {camera}'),
    (['{drive}', '--label-space', 'mine.yaml'], 'mine.yaml'),
    (['{drive}', '--second', 'none'], "no model 'none'"),
    (['{drive}', '--second-precision', 'int8'], 'int8'),
    (['{drive}', '--baseline', '{drive}'], 'is not the folder of a run'),
    (['{drive}', '--precision', 'int8'], 'int8'),
    (['{drive}', '--workers', '2'], '--workers is for --scheduler local'),
    (['{drive}', '--scheduler', 'tls://a:1', '--workers', '2'], '--workers is for --scheduler lo'),
])
def test_what_makes_no_sense_is_said_before_the_work(
        evaluate: Evaluate, drive: Path, tmp_path: Path, arguments: list[str], problem: str,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(*(word.replace('{drive}', str(drive)) for word in arguments)) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_labels_without_a_legend_need_a_label_space(
        evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_drive(tmp_path / 'drive', [
        message for message in labelled('/front', 3) if not message[0].endswith('legend')])
    space = tmp_path / 'space.yaml'
    space.write_text('name: mine\nclasses: [sky, road, tree, car]\ndrivable: [road]\n')

    assert evaluate(bag) == 2
    assert "give --label-space, or --labels-topic ''" in capsys.readouterr().err
    assert evaluate(bag, '--label-space', space) == 0
    assert report(tmp_path / 'run')['figures']['labelled'] == 3
    assert evaluate(bag, '--labels-topic', '', out='without') == 0
    assert report(tmp_path / 'without')['figures']['labelled'] == 0
    assert evaluate(bag, '--drivable-ids', ROAD, out='drivable') == 0
    figures = report(tmp_path / 'drivable')['figures']
    assert figures['mean_iou'] is None and 0.97 < figures['drivable_iou'] < 1


def test_labels_are_matched_by_stamp_within_the_tolerance(
        evaluate: Evaluate, tmp_path: Path) -> None:
    late = [0, 4_000_000, 6_000_000, 0]
    messages = [*labelled('/front', 0), *(
        message for number in range(4) for message in (
            raw('/front', number, painted(scene(number), number)),
            truth('/front', number, scene(number), late[number])))]
    bag = write_drive(tmp_path / 'drive', messages)

    assert evaluate(bag) == evaluate(bag, '--tolerance', '6', out='wide') == 0
    assert evaluate(bag, '--tolerance', '0', out='exact') == 0

    for folder, matched in (('run', 3), ('wide', 4), ('exact', 2)):
        found = report(tmp_path / folder)['bags'][0]
        assert found['labelled'] == matched
        assert found['unmatched'] == {'images': 4 - matched, 'labels': 4 - matched}


def test_a_second_model_shows_where_two_agree(
        evaluate: Evaluate, drive: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    assert evaluate(drive, '--second-precision', 'fp32') == 0
    assert report(tmp_path / 'run')['figures']['agreement'] == 1
    names = {'car': 'lorry'}
    space = type(TINY)('other', tuple(names.get(name, name) for name in TINY.classes),
                       TINY.palette[:3] + ((250, 250, 250),), TINY.drivable)
    other = write_tiny_bundle(tmp_path / 'more', 'other', space=space)
    assert evaluate(drive, '--second', other, out='other') == 0
    found = report(tmp_path / 'other')
    assert found['second']['label_space'] == 'other'
    # Where the first sees a car, which the other has no class for, there is nothing to compare.
    assert found['figures']['agreement'] == 1


def test_the_difference_to_a_baseline_is_printed(
        evaluate: Evaluate, drive: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(drive) == 0
    capsys.readouterr()
    assert evaluate(drive, '--resolution', '192x320', '--baseline', tmp_path / 'run',
                    out='fine') == 0
    table = capsys.readouterr().out.partition('| baseline | this run |')[2]
    row = next(line for line in table.splitlines() if line.startswith('| mean IoU'))
    before, now, difference = (float(cell) for cell in row.strip('| ').split('|')[1:4])
    assert now > before and difference == pytest.approx(now - before, abs=0.11)
    other = write_drive(tmp_path / 'other', labelled('/front', 3))
    assert evaluate(other, '--baseline', tmp_path / 'run', out='third') == 2
    assert 'the baseline is of drive, not of the same recordings' in capsys.readouterr().err


def test_alarms_and_segments_say_when(evaluate: Evaluate, tmp_path: Path) -> None:
    still = painted(scene(0), 0)
    road = np.full_like(scene(0), ROAD)
    messages = [raw('/front', number, still if 10 <= number < 20 else painted(
        road if number >= 25 else scene(number), number)) for number in range(30)]
    bag = write_drive(tmp_path / 'drive', messages)

    assert evaluate(bag, '--segment', '1') == 0

    found = report(tmp_path / 'run')
    begin = found['bags'][0]['begin_ns']
    spans = [(alarm['kind'], (alarm['begin_ns'] - begin) / 1e9, (alarm['end_ns'] - begin) / 1e9,
              alarm['frames']) for alarm in found['alarms']]
    assert spans == [('one_class', 2.5, 2.9, 5), ('frozen', 1.4, 1.9, 6)]
    assert [(segment['begin_s'], segment['end_s'], segment['figures']['frames'],
             segment['figures']['alarms']) for segment in found['segments']] == [
        (0, 1, 10, {'one_class': 0, 'frozen': 0}), (1, 2, 10, {'one_class': 0, 'frozen': 6}),
        (2, 3, 10, {'one_class': 5, 'frozen': 0})]


def test_a_camera_that_is_there_raw_and_compressed_counts_once(
        evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_drive(tmp_path / 'drive', labelled('/front', 3), unlabelled('/front', 3))
    assert evaluate(bag) == 0
    assert list(report(tmp_path / 'run')['cameras']) == [FRONT]
    assert '/front/image_raw has the same images raw' in capsys.readouterr().err
    assert evaluate(bag, '--topic', f'{FRONT}/compressed', '--topic', FRONT, out='both') == 0
    assert {topic: figures['labelled'] for topic, figures in report(
        tmp_path / 'both')['cameras'].items()} == {FRONT: 3, f'{FRONT}/compressed': 3}


def test_topics_without_colour_images_are_left_out(
        evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    depth = [raw('/depth', number, np.full((4, 4), CAR, np.uint8)) for number in range(3)]
    for _, _, message in depth:
        message.encoding = '16UC1'
    bag = write_drive(tmp_path / 'drive', depth, unlabelled('/rear', 2))
    assert evaluate(bag) == 0
    assert list(report(tmp_path / 'run')['cameras']) == [REAR]
    assert "/depth/image_raw is left out: message 2: unknown encoding '16UC1'" in (
        capsys.readouterr().err)


def test_a_bag_is_not_taken_for_a_scheduler(
        evaluate: Evaluate, drive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate('--scheduler', drive, drive)
    assert "is neither 'local' nor an address such as tls://HOST:8786" in capsys.readouterr().err
