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
"""Whether one run is better than another, on the frames that both have."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import START_NS
from synthetic_run import SyntheticRun

from frm_perception.evaluation.drive.compare import compare
from frm_perception.evaluation.drive.figures import figures
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.paired_runs import FrameSums
from frm_perception.evaluation.drive.paired_runs import match
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError
from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES

RUN = SyntheticRun(bags=('north', 'south'), cameras=('/front', '/rear'), frames=60)
SEGMENT_S = 1.0


def changed(run: RunFolder, change: Callable[[list[FrameRecord]], list[FrameRecord]]) -> None:
    """Replace the records of every camera of a run."""
    for bag in RUN.bags:
        for camera in RUN.cameras:
            records = change(run.records(bag, camera))
            run.records_file(bag, camera).write_text(
                ''.join(record.to_line() + '\n' for record in records))


def known(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures that both runs have."""
    return {name: figure for name, figure in comparison['figures'].items()
            if figure['difference'] is not None}


def test_a_run_does_not_differ_from_itself_in_anything(tmp_path: Path) -> None:
    comparison = compare(RUN.write(tmp_path / 'a'), RUN.write(tmp_path / 'b'), SEGMENT_S)
    assert len(known(comparison)) == 8 + len(CAMVID.classes)
    for figure in known(comparison).values():
        assert (figure['difference'], figure['low'], figure['high']) == (0, 0, 0)
        assert figure['verdict'] == 'undecided'
    assert comparison['frames'] == {'compared': 240, 'only_in_a': 0, 'only_in_b': 0,
                                    'labelled': 240, 'other_labels': 0}
    assert comparison['segments'] == {'seconds': SEGMENT_S, 'number': 12}
    assert comparison['places'] == {'figure': 'drivable_iou', 'fell': [], 'rose': []}


def test_figures_are_those_of_the_whole_run_where_all_frames_are_common(tmp_path: Path) -> None:
    run = RUN.write(tmp_path / 'a')
    comparison = compare(run, run, SEGMENT_S)
    records = [record for bag in RUN.bags for camera in RUN.cameras
               for record in run.records(bag, camera)]
    expected = figures(records, CAMVID.classes)
    for name in ('mean_iou', 'drivable_iou', 'drivable_precision', 'drivable_recall',
                 'stability', 'confidence'):
        assert comparison['figures'][name]['a'] == pytest.approx(expected[name])
    for name, iou in expected['iou'].items():
        assert comparison['figures'][f'iou.{name}']['a'] == pytest.approx(iou)


def test_a_better_run_is_called_better_and_swapped_worse(tmp_path: Path) -> None:
    old = RUN.write(tmp_path / 'a')
    new = replace(RUN, right=0.85, seed=1).write(tmp_path / 'b')
    forth, back = compare(old, new, SEGMENT_S), compare(new, old, SEGMENT_S)
    assert forth['figures']['drivable_iou']['verdict'] == 'better'
    assert forth['figures']['confidence']['verdict'] == 'higher'
    assert back['figures']['mean_iou']['verdict'] == 'worse'
    for name, figure in forth['figures'].items():
        if figure['difference'] is not None:
            other = back['figures'][name]
            assert figure['difference'] == -other['difference']
            assert figure['low'] == pytest.approx(-other['high'])
    assert len(forth['places']['rose']) == 5 and not forth['places']['fell']


def test_the_order_of_the_lines_and_cameras_makes_no_difference(tmp_path: Path) -> None:
    runs = RUN.write(tmp_path / 'a'), replace(RUN, right=0.7, seed=1).write(tmp_path / 'b')
    expected = compare(*runs, SEGMENT_S)
    for run in runs:
        content = json.loads(run.report_file.read_text())
        content['bags'].reverse()
        for bag in content['bags']:
            bag['cameras'].reverse()
        run.report_file.write_text(json.dumps(content))
    # A record's number gives its line; its stamp and time say where it belongs.
    changed(runs[1], lambda records: [
        replace(record, index=number) for number, record in enumerate(reversed(records))])
    assert compare(*runs, SEGMENT_S) == expected


def test_frames_that_only_one_run_has_do_not_count_and_are_told(tmp_path: Path) -> None:
    whole, part = RUN.write(tmp_path / 'a'), RUN.write(tmp_path / 'b')
    changed(part, lambda records: records[10:])
    comparison = compare(whole, part, SEGMENT_S)
    assert comparison['frames']['only_in_a'] == 40 and comparison['frames']['only_in_b'] == 0
    assert {figure['difference'] for figure in known(comparison).values()} == {0}


def test_what_only_one_run_knows_of_a_frame_counts_in_neither(tmp_path: Path) -> None:
    whole, part = RUN.write(tmp_path / 'a'), RUN.write(tmp_path / 'b')
    changed(part, lambda records: [
        replace(record, confusion=None, drivable_confusion=None, stability=None)
        if record.index < 30 else record for record in records])
    comparison = compare(whole, part, SEGMENT_S)
    assert comparison['frames']['labelled'] == 120
    assert {figure['difference'] for figure in known(comparison).values()} == {0}


def test_labels_that_differ_are_told(tmp_path: Path) -> None:
    a, b = RUN.write(tmp_path / 'a'), RUN.write(tmp_path / 'b')
    changed(b, lambda records: [
        replace(record, drivable_confusion=((1, 2, 3), (4, 5, 6))) if record.index < 5 else record
        for record in records])
    assert compare(a, b, SEGMENT_S)['frames']['other_labels'] == 20


def test_classes_of_different_label_spaces_are_compared_by_name(tmp_path: Path) -> None:
    comparison = compare(RUN.write(tmp_path / 'a'),
                         replace(RUN, space=CITYSCAPES).write(tmp_path / 'b'), SEGMENT_S)
    assert comparison['classes']['compared'] == [
        name for name in CAMVID.classes if name in CITYSCAPES.classes]
    assert 'pedestrian' in comparison['classes']['only_in_a']
    assert 'rider' in comparison['classes']['only_in_b']
    assert 'iou.rider' not in comparison['figures']


def test_runs_without_labels_are_compared_in_what_they_have(tmp_path: Path) -> None:
    run = replace(RUN, labelled=False)
    comparison = compare(run.write(tmp_path / 'a'), run.write(tmp_path / 'b'), SEGMENT_S)
    assert list(known(comparison)) == ['stability', 'confidence', 'latency_p50', 'latency_p95']
    assert comparison['places']['figure'] == 'stability'


def test_runs_of_different_drives_are_refused_by_name(tmp_path: Path) -> None:
    other = replace(RUN, bags=('east',)).write(tmp_path / 'b')
    with pytest.raises(RunFolderError, match='no frame in common.*north.*south.*east'):
        compare(RUN.write(tmp_path / 'a'), other, SEGMENT_S)


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.integers(0, 5), max_size=12))
def test_every_frame_is_paired_once_or_told(a: list[int], b: list[int]) -> None:
    pairs, only_a, only_b = match(*([
        FrameSums(START_NS + stamp, 0, None, None, (), number)
        for number, stamp in enumerate(stamps)] for stamps in (a, b)))
    assert len(pairs) + only_a == len(a) and len(pairs) + only_b == len(b)
    assert len(pairs) == sum(min(a.count(stamp), b.count(stamp)) for stamp in set(a))
    for side in (0, 1):
        assert len({pair[side].milliseconds for pair in pairs}) == len(pairs)
    assert all(one.stamp_ns == other.stamp_ns for one, other in pairs)


def test_few_segments_have_no_interval_and_no_verdict(tmp_path: Path) -> None:
    old = RUN.write(tmp_path / 'a')
    new = replace(RUN, right=0.85, seed=1).write(tmp_path / 'b')
    comparison = compare(old, new)
    figure = comparison['figures']['drivable_iou']
    assert comparison['segments'] == {'seconds': 2.0, 'number': 6}
    assert figure['difference'] > 0
    assert (figure['low'], figure['verdict']) == (None, 'undecided')
