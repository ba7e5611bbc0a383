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
"""
Whether one run is better than another on the frames that both have.

Every figure is computed from what was summed over the common frames, and so is its interval, by
:mod:`.bootstrap`. docs/bags.md says how to read them.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from frm_perception.evaluation.drive.bootstrap import LEVEL
from frm_perception.evaluation.drive.bootstrap import RESAMPLES
from frm_perception.evaluation.drive.bootstrap import SEED
from frm_perception.evaluation.drive.bootstrap import Difference
from frm_perception.evaluation.drive.bootstrap import Floats
from frm_perception.evaluation.drive.bootstrap import Statistic
from frm_perception.evaluation.drive.bootstrap import compare_statistic
from frm_perception.evaluation.drive.bootstrap import of_quantile
from frm_perception.evaluation.drive.bootstrap import of_sums
from frm_perception.evaluation.drive.paired_runs import SHARES
from frm_perception.evaluation.drive.paired_runs import FrameSums
from frm_perception.evaluation.drive.paired_runs import RunSums
from frm_perception.evaluation.drive.paired_runs import SegmentSums
from frm_perception.evaluation.drive.paired_runs import match
from frm_perception.evaluation.drive.paired_runs import sum_segments
from frm_perception.evaluation.drive.paired_runs import together
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError

QUANTILES = {'latency_p50': 0.50, 'latency_p95': 0.95}
"""Figures of which less is better, in milliseconds; more of all others is, and they are shares."""

NEUTRAL = ('confidence',)
"""Figures that are neither better nor worse for being higher."""

_MOST_PLACES = 5


def compare(a: RunFolder, b: RunFolder, segment_s: float | None = None) -> dict[str, Any]:
    """
    Compare two runs, ready for JSON; differences are what ``b`` has more than ``a``.

    :param segment_s: seconds of the segments that the bootstrap draws; None takes those of ``b``.
    :raises RunFolderError: a folder is not that of a run, or is damaged, or the two have no frame
        in common.
    """
    reports = a.read_report(), b.read_report()
    length_s = segment_s or float(reports[1]['options']['segment_s'])
    names = [report['figures']['confusion']['classes'] for report in reports]
    classes = [name for name in names[0] if name in names[1]]
    chosen = [[of_run.index(name) for name in classes] for of_run in names]
    parts, frames = [], {'compared': 0, 'only_in_a': 0, 'only_in_b': 0}
    for bag, begin_ns, cameras in _bags(reports):
        pairs = []
        for camera in cameras:
            common, only_a, only_b = match(_frames(a, bag, camera, chosen[0]),
                                           _frames(b, bag, camera, chosen[1]))
            pairs += common
            frames['compared'] += len(common)
            frames['only_in_a'] += only_a
            frames['only_in_b'] += only_b
        if pairs:
            parts.append(sum_segments(bag, begin_ns, pairs, length_s, len(classes)))
    if not parts:
        raise RunFolderError(_nothing_in_common(a, b, reports))
    sums = together(parts)
    differences = dict(_differences(sums, classes))
    return {
        'format': 1,
        'a': _of_run(a, reports[0]), 'b': _of_run(b, reports[1]),
        'frames': {**frames, 'labelled': sums.labelled, 'other_labels': sums.other_labels},
        'classes': {'compared': classes, **{
            f'only_in_{side}': [name for name in of_run if name not in classes]
            for side, of_run in zip('ab', names)}},
        'segments': {'seconds': length_s, 'number': len(sums.names)},
        'bootstrap': {'resamples': RESAMPLES, 'seed': SEED, 'level': LEVEL},
        'figures': {name: _figure(name, difference) for name, difference in differences.items()},
        'places': _places(sums, differences)}


def less_is_better(figure: str) -> bool:
    """Return whether a rise of the figure is a change for the worse."""
    return figure in QUANTILES


def _bags(reports: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int, list[str]]]:
    """Yield of every bag of either run its name, its begin and its cameras, in one order."""
    begins: dict[str, int] = {}
    cameras: dict[str, set[str]] = {}
    for report in reports:
        for bag in report['bags']:
            begins.setdefault(bag['name'], bag['begin_ns'])
            cameras.setdefault(bag['name'], set()).update(bag['cameras'])
    for name in sorted(cameras):
        yield name, begins[name], sorted(cameras[name])


def _frames(run: RunFolder, bag: str, camera: str, chosen: Sequence[int]) -> Iterator[FrameSums]:
    for record in run.each_record(bag, camera):
        yield FrameSums.of(record, chosen)


def _differences(sums: SegmentSums, classes: Sequence[str]) -> Iterator[tuple[str, Difference]]:
    statistics: dict[str, Callable[[RunSums], Statistic]] = {
        'mean_iou': lambda run: of_sums(run.classes, _mean_iou),
        'drivable_iou': lambda run: of_sums(run.drivable, _iou),
        'drivable_precision': lambda run: of_sums(run.drivable, partial(_share_of, of=2)),
        'drivable_recall': lambda run: of_sums(run.drivable, partial(_share_of, of=1)),
        **{name: partial(_mean_share, name) for name in SHARES},
        **{name: partial(_latency, share) for name, share in QUANTILES.items()},
        **{f'iou.{name}': partial(_class_iou, index) for index, name in enumerate(classes)}}
    for name, statistic in statistics.items():
        yield name, compare_statistic(statistic(sums.a), statistic(sums.b), len(sums.names))


def _mean_share(name: str, run: RunSums) -> Statistic:
    return of_sums(run.shares[name], lambda sums: _divide(sums[:, 0], sums[:, 1]))


def _latency(share: float, run: RunSums) -> Statistic:
    return of_quantile(run.milliseconds, run.segment, share)


def _class_iou(index: int, run: RunSums) -> Statistic:
    return of_sums(run.classes[:, index], _iou)


def _iou(sums: Floats) -> Floats:
    """Return (...) IoU of (..., 3) right, true and predicted pixels; NaN without any."""
    return _divide(sums[..., 0], sums[..., 1] + sums[..., 2] - sums[..., 0])


def _share_of(sums: Floats, of: int) -> Floats:
    return _divide(sums[..., 0], sums[..., of])


def _mean_iou(sums: Floats) -> Floats:
    """Return (R,) the mean over the classes that occur, of (R, C, 3)."""
    values = _iou(sums)
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(float))


def _divide(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _figure(name: str, difference: Difference) -> dict[str, Any]:
    verdict = 'undecided'
    if difference.difference is None:
        verdict = 'unknown'
    elif difference.excludes_zero:
        rises = difference.difference > 0
        if name in NEUTRAL:
            verdict = 'higher' if rises else 'lower'
        else:
            verdict = 'worse' if rises == less_is_better(name) else 'better'
    return {'a': difference.a, 'b': difference.b, 'difference': difference.difference,
            'low': difference.low, 'high': difference.high, 'verdict': verdict}


def _places(sums: SegmentSums, differences: Mapping[str, Difference]) -> dict[str, Any]:
    """Return where the first figure that both runs have fell and rose most."""
    counted: dict[str, Callable[[RunSums], Floats]] = {
        'drivable_iou': lambda run: _iou(run.drivable.astype(np.float64)),
        'mean_iou': lambda run: _mean_iou(run.classes.astype(np.float64)),
        'stability': lambda run: _divide(*run.shares['stability'].T)}
    for name, figure in counted.items():
        if differences[name].difference is None:
            continue
        values = figure(sums.a), figure(sums.b)
        changes = values[1] - values[0]
        order = np.argsort(np.where(np.isnan(changes), 0.0, changes), kind='stable')
        return {'figure': name, **{
            word: [{'bag': sums.names[index][0], 'begin_s': sums.names[index][1],
                    'a': float(values[0][index]), 'b': float(values[1][index]),
                    'difference': float(changes[index])}
                   for index in positions[:_MOST_PLACES] if sign * changes[index] > 0]
            for word, positions, sign in (('fell', order, -1), ('rose', order[::-1], 1))}}
    return {'figure': None, 'fell': [], 'rose': []}


def _of_run(run: RunFolder, report: Mapping[str, Any]) -> dict[str, Any]:
    model = report['model']
    return {'folder': str(run.path), 'complete': report['complete'],
            'frames': report['figures']['frames'],
            'model': {key: model.get(key) for key in (
                'bundle', 'network', 'resolution', 'precision', 'provider', 'sha256')}}


def _nothing_in_common(a: RunFolder, b: RunFolder, reports: Sequence[Mapping[str, Any]]) -> str:
    what = [', '.join(f'{bag["name"]} ({", ".join(bag["cameras"])})' for bag in report['bags'])
            or 'no bag' for report in reports]
    return (f'{a.path} and {b.path} have no frame in common, of the same bag, camera and stamp: '
            f'the first is of {what[0]}; the second of {what[1]}')
