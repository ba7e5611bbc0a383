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
"""The running node evaluated on a bag, beside its model evaluated on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listening import Listener
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from recorded_bags import BEGIN_NS
from recorded_bags import image_message as recorded_image
from recorded_bags import write_bag
from replay_process import ReplayProcess
from replay_process import replay
from sensor_msgs.msg import Image
from tiny_drive import write_drive

from frm_perception.cli.main import main
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.run_folder import RunFolder

FRAMES = 6
TOPICS = ('/front/image_raw', '/rear/image_raw/compressed')


@pytest.fixture(scope='module')
def node(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
         ) -> Iterator[SegmenterProcess]:
    """Return an active node with two cameras, which take raw or compressed images."""
    log = tmp_path_factory.mktemp('node') / 'log.txt'
    with SegmenterProcess(probe, log, cameras=['front', 'rear'], model_dir=models, threads=1,
                          use_sim_time=True) as running:
        assert running.change_state('configure') and running.change_state('activate')
        yield running


def evaluate(node: SegmenterProcess, bag: Path, run: Path, *options: str,
             topics: Sequence[str] = ('/front/image_raw',)) -> tuple[dict[str, Any], str]:
    """Evaluate the node on a bag; return the report and what was said."""
    rules = [f'{topic}:={node.resolved(topic.removeprefix("/"))}' for topic in topics]
    status, said = replay(run.with_suffix('.log'), str(bag), '--node', node.name,
                          '--evaluate', str(run), *options, '--remap', *rules)
    assert status == 0, said
    return RunFolder(run).read_report(), said


def fates(run: Path, topic: str) -> list[str]:
    """Return the fate of every image that was played."""
    lines = RunFolder(run).live_file('drive', topic).read_text().splitlines()
    assert [json.loads(line)['index'] for line in lines] == list(range(len(lines)))
    return [str(json.loads(line)['fate']) for line in lines]


def comparable(records: list[FrameRecord]) -> list[FrameRecord]:
    """Return records without times, and without confidence, which is of cells or of pixels."""
    return [replace(record, milliseconds={}, confidence=None) for record in records]


def test_the_node_and_its_model_have_the_same_figures_frame_by_frame(
        node: SegmenterProcess, models: Path, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', FRAMES, scale=2, cameras={'/front': '', '/rear': 'jpeg'})
    report, said = evaluate(node, bag, tmp_path / 'live', '--as-answered', '--late', '60000',
                            topics=TOPICS)
    assert main(['bag', 'evaluate', str(bag), '--model', str(models / 'tiny'), '--threads', '1',
                 '--output', str(tmp_path / 'direct')]) == 0
    direct = RunFolder(tmp_path / 'direct').read_report()
    for topic in TOPICS:
        live, mine = (RunFolder(tmp_path / name).records('drive', topic)
                      for name in ('live', 'direct'))
        assert len(live) == FRAMES
        assert comparable(live) == comparable(mine)
        assert [record.confidence for record in live] == pytest.approx(
            [record.confidence for record in mine], abs=0.05)
        assert fates(tmp_path / 'live', topic) == ['answered'] * FRAMES
    assert report['figures']['mean_iou'] == direct['figures']['mean_iou'] > 0.9
    assert report['model'] == direct['model']
    assert set(report['cameras']) == set(TOPICS)
    played = report['live']
    assert [played[name] for name in ('published', 'answered', 'late', 'lost')] == [
        2 * FRAMES, 2 * FRAMES, 0, 0]
    assert played['unanswered'] == {} and played['notes'] == []
    assert 0 < played['latency_ms']['p50'] <= played['latency_ms']['max'] < 60000
    assert played['parameters']['threads'] == 1


def test_every_image_without_an_answer_has_the_reason_that_the_node_counted(
        node: SegmenterProcess, tmp_path: Path) -> None:
    pixels = np.zeros((96, 160, 3), np.uint8)
    encodings = ['rgb8', 'nonsense', 'rgb8', 'nonsense']
    bag = write_bag(tmp_path / 'drive', [
        ('/front/image_raw', BEGIN_NS + number * 10**8,
         recorded_image(BEGIN_NS + number * 10**8, pixels, encoding))
        for number, encoding in enumerate(encodings)])
    report, said = evaluate(node, bag, tmp_path / 'run', '--as-answered')
    assert fates(tmp_path / 'run', '/front/image_raw') == [
        'answered', 'malformed', 'answered', 'malformed']
    assert report['live']['unanswered'] == {'malformed': 2}
    assert '2 of 4 images answered, 2 malformed' in said
    assert [record.index for record in
            RunFolder(tmp_path / 'run').records('drive', '/front/image_raw')] == [0, 2]


def test_a_run_without_answers_has_no_figures_and_is_not_overwritten(
        node: SegmenterProcess, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames=1)
    assert node.set_parameter('paused', True) == ''
    try:
        report, _ = evaluate(node, bag, tmp_path / 'run', '--as-answered')
    finally:
        assert node.set_parameter('paused', False) == ''
    assert report['live']['unanswered'] == {'paused': 1}
    assert fates(tmp_path / 'run', '/front/image_raw') == ['paused']
    assert report['figures']['frames'] == 0 and report['figures']['mean_iou'] is None
    status, said = replay(tmp_path / 'log', str(bag), '--evaluate', str(tmp_path / 'run'))
    assert status == 2 and 'has a run already' in said
    assert RunFolder(tmp_path / 'run').read_report() == report


def test_at_a_rate_the_totals_are_those_of_the_node(
        node: SegmenterProcess, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames=FRAMES)
    assert node.set_together(max_rate=[5.0], drivable_min_area=0.01) == ''
    try:
        live = evaluate(node, bag, tmp_path / 'run', '--rate', '4')[0]['live']
    finally:
        assert node.set_together(max_rate=[0.0], drivable_min_area=0.0) == ''
    assert live['published'] == FRAMES == (
        live['answered'] + live['lost'] + sum(live['unanswered'].values()))
    assert live['unanswered']['limited'] > 0
    # All that is noted is a rule that the evaluation of a model does not have.
    note, = live['notes']
    assert 'drivable_min_area 0.01' in note


def test_another_publisher_on_the_topic_is_noticed(
        probe: Probe, node: SegmenterProcess, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames=FRAMES)
    with node.camera('front') as other, \
            Listener(probe, node, 'front/segmentation/label', Image) as labels, \
            ReplayProcess(tmp_path / 'log', str(bag), '--node', node.name, '--rate', '0.5',
                          '--remap', f'/front/image_raw:={node.resolved("front/image_raw")}',
                          '--evaluate', str(tmp_path / 'run'), '--answer-timeout', '3'
                          ) as running:
        wait_until(lambda: labels.heard, 'the first answer')
        other.publisher.publish(image_message(np.zeros((8, 8), np.uint8), 'mono8'))
        assert running.end() == 0, running.said()
    notes = RunFolder(tmp_path / 'run').read_report()['live']['notes']
    assert any('1 images more reached the node than were played' in note for note in notes)


def test_a_node_that_answers_in_its_networks_size_is_refused_before_anything_is_played(
        node: SegmenterProcess, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames=1)
    assert node.set_parameter('output_size', 'network') == ''
    try:
        status, said = replay(
            tmp_path / 'log', str(bag), '--node', node.name, '--evaluate', str(tmp_path / 'run'),
            '--remap', f'/front/image_raw:={node.resolved("front/image_raw")}')
    finally:
        assert node.set_parameter('output_size', 'camera') == ''
    assert status == 1 and 'output_size to camera' in said and 'played 3 messages' not in said
    assert not (tmp_path / 'run' / 'report.json').exists()


@pytest.mark.slow
def test_what_a_node_answered_before_it_died_is_evaluated(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    bag = write_drive(tmp_path / 'drive', frames=60)
    with SegmenterProcess(probe, tmp_path / 'node', cameras=['front'], model_dir=models) as mortal:
        assert mortal.change_state('configure') and mortal.change_state('activate')
        with Listener(probe, mortal, 'front/segmentation/label', Image) as labels, \
                ReplayProcess(tmp_path / 'log', str(bag), '--as-answered', '--node', mortal.name,
                              '--answer-timeout', '2', '--evaluate', str(tmp_path / 'run'),
                              '--remap', f'/front/image_raw:={mortal.resolved("front/image_raw")}'
                              ) as running:
            wait_until(lambda: labels.heard, 'the first answer')
            mortal.process.kill()
            assert running.end() == 1
    assert 'the play ended early: nobody listens to' in running.said()
    report = RunFolder(tmp_path / 'run').read_report()
    assert 0 < report['live']['answered'] == report['figures']['frames'] < 60
    assert 'the play ended early' in report['live']['notes'][0]
