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
What an ablation's runs say together: means, spreads, and which differences stand out.

All figures are of mean IoU on held-out images. Variants are compared seed by seed: runs of the
same seed see the same crops in the same order.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text

T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t for two-sided 95 % intervals, with 1 degree of freedom, 2, and so on."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, min, max and, of two and more, the standard deviation (n - 1) of values."""
    if not values:
        return {}
    figures = {'mean': statistics.fmean(values), 'min': min(values), 'max': max(values)}
    if len(values) > 1:
        figures['standard_deviation'] = statistics.stdev(values)
    return figures


def paired_difference(reference: Mapping[int, float], other: Mapping[int, float]
                      ) -> dict[str, Any]:
    """
    Compare two variants over the seeds that both have.

    :param reference: value by seed; :param other: what is subtracted from it.
    :return: ``seeds``; ``mean``, if there are any; of two and more also ``standard_error``,
        ``half_width`` of the 95 % interval by Student's t, and the ``verdict``: the reference is
        ``above`` or ``below`` where the interval leaves out zero, or it is ``undecided``.
    """
    seeds = sorted(set(reference) & set(other))
    differences = [reference[seed] - other[seed] for seed in seeds]
    result: dict[str, Any] = {'seeds': seeds}
    if differences:
        result['mean'] = mean = statistics.fmean(differences)
    if len(differences) > 1:
        error = statistics.stdev(differences) / len(differences) ** 0.5
        half_width = T_QUANTILES[len(differences) - 2] * error
        verdict = 'undecided'
        if abs(mean) > half_width:
            verdict = 'above' if mean > 0 else 'below'
        result.update(standard_error=error, half_width=half_width, verdict=verdict)
    return result


def compare(names: Sequence[str], runs: Sequence[Mapping[str, Any]], classes: Sequence[str]
            ) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """
    Return the spreads of each variant, and how far the first of them is above each other.

    :param runs: each has ``variant``, ``seed``, ``mean_iou`` and ``iou`` by class, None where
        neither labels nor predictions have the class.
    """
    of_variant = {name: [run for run in runs if run['variant'] == name] for name in names}
    spreads = {
        name: {'mean_iou': spread([run['mean_iou'] for run in mine]),
               'iou': {label: spread([run['iou'][label] for run in mine
                                      if run['iou'][label] is not None]) for label in classes}}
        for name, mine in of_variant.items()}
    by_seed = {name: {run['seed']: run['mean_iou'] for run in mine}
               for name, mine in of_variant.items()}
    reference, *others = names
    return spreads, [
        {'reference': reference, 'variant': name,
         **paired_difference(by_seed[reference], by_seed[name])} for name in others]


def description(results: Mapping[str, Any]) -> str:
    """Return a few sentences on what was measured, where and how."""
    height, width = results['size']
    seeds = ', '.join(map(str, results['config']['seeds']))
    commits = sorted({run['commit'] for run in results['runs']} - {results['commit']})
    earlier = f' Some runs are of commit {" and ".join(commits)}.' if commits else ''
    return (f'{results["iterations"]} iterations of {results["batch"]} crops of {height}x{width} '
            f'(height x width), seeds {seeds}; {len(results["runs"])} of '
            f'{results["planned_runs"]} runs are done {origin_text(results)}{earlier}')


def table(results: Mapping[str, Any]) -> str:
    """Return the variants as a Markdown table that is also readable on a terminal."""
    height, width = results['size']
    drivable = results['drivable']
    reference = results['variants'][0]['name']
    rows = [['variant', 'network', 'params M', f'GMAC at {height}x{width}', 'seeds',
             'mean IoU %', 'least to most', *(f'{name} IoU %' for name in drivable),
             f'{reference} is above by, points']]
    differences = {item['variant']: item for item in results['differences']}
    for variant in results['variants']:
        mean_iou = variant['mean_iou']
        rows.append([
            variant['name'], variant['network'], f'{variant["parameters"] / 1e6:.2f}',
            f'{(variant["convolutions"] + variant["attention"]) / 1e9:.2f}',
            str(sum(run['variant'] == variant['name'] for run in results['runs'])),
            _spread_text(mean_iou),
            f'{100 * mean_iou["min"]:.1f} to {100 * mean_iou["max"]:.1f}' if mean_iou else '-',
            *(_spread_text(variant['iou'][name]) for name in drivable),
            _difference_text(differences.get(variant['name'], {}))])
    return markdown_table(rows)


def findings(results: Mapping[str, Any]) -> str:
    """Return a Markdown list of what the runs support, and what they do not decide."""
    return '\n'.join(f'- {_finding(item)}' for item in results['differences'])


def _finding(item: Mapping[str, Any]) -> str:
    pair = f'`{item["reference"]}` against `{item["variant"]}`'
    count = len(item['seeds'])
    if count < 2:
        return f'{pair}: not measured with two seeds yet.'
    figures = f'{_difference_text(item)} points of mean IoU'
    if item['verdict'] == 'undecided':
        return f'{pair}: {figures}, not decided by {count} seeds.'
    return f'{pair}: {figures}; that it is {item["verdict"]} is supported by {count} seeds.'


def _spread_text(figures: Mapping[str, float]) -> str:
    if 'standard_deviation' not in figures:
        return f'{100 * figures["mean"]:.1f}' if figures else '-'
    return f'{100 * figures["mean"]:.1f} ± {100 * figures["standard_deviation"]:.1f}'


def _difference_text(item: Mapping[str, Any]) -> str:
    if 'half_width' not in item:
        return f'{100 * item["mean"]:+.2f}' if 'mean' in item else '-'
    return f'{100 * item["mean"]:+.2f} ± {100 * item["half_width"]:.2f}'
