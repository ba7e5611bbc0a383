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
A report of a computer in Markdown: on the terminal, and as rows of docs/devices.md.

A report that somebody sent is read as what a stranger wrote: what is not a report is refused, and
nothing in it becomes more than text in a table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frm_perception.evaluation.device.measure import FORMAT
from frm_perception.evaluation.device.measure import LEAST_AGREEMENT
from frm_perception.evaluation.device.measure import best
from frm_perception.evaluation.device.measure import own
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.variant import size_text

AWAITED = ('Orin Nano', 'Orin NX', 'AGX Orin', 'Thor')
"""Jetsons that a row waits for; each is part of what a device tree calls them."""

_HEADINGS = ('device', 'software', 'model, network input', 'engine, precision', 'labels as fp32',
             'frame p50 / p95 / p99 ms', 'stages p50 ms', 'without a pause, p50 ms at first, at '
             'last', 'temperature', 'throttled', 'report')
_SOFTWARE = ('onnxruntime', 'onnxruntime-gpu', 'openvino', 'torch')
_LONGEST_CELL = 200


class ReportError(ValueError):
    """A file is no report of a device; the message names it."""


def description(results: Mapping[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    ended = ' Interrupted: not everything was measured.' if results['interrupted'] else ''
    return (f'{results["images"]} camera images of {size_text(results["camera"])} (height x '
            f'width), labels and mask at that size, every variant in a process of its own, on '
            f'{results["date"]} {origin_text(results)}{ended}')


def table(results: Mapping[str, Any]) -> str:
    """Return the results as Markdown tables that are also readable on a terminal."""
    measured = [('model', 'network input', 'engine', 'precision', 'labels as fp32',
                 'frame p50 / p95 / p99 ms', 'stages p50 ms', 'loads in s', 'resident MiB')]
    for variant in results['variants']:
        measured.append((
            variant['model'], size_text(variant['input']), variant['provider_run'],
            _precision(variant), _agreement(variant), _latency(variant), _stages(variant),
            f'{variant["load_s"]:.1f}' + (', built' if variant['engine'] == 'built' else ''),
            f'{variant["resident_mib"]:.0f}'))
    failed = [('does not run here', 'why'), *(
        (f'{failure["model"]} {size_text(failure["input"])} {failure["provider"]} '
         f'{failure["precision"]}', failure['why']) for failure in results['failures'])]
    parts = [markdown_table(measured)]
    if results['failures']:
        parts.append(markdown_table(failed))
    if results['variants']:
        parts.append(f'Rows for docs/devices.md:\n\n{markdown_table(rows(results, "-"))}')
    return '\n\n'.join(parts)


def rows(results: Mapping[str, Any], report: str) -> list[list[str]]:
    """
    Return the headings, and a row of each variant of the first model at its own size.

    :param report: what stands in the last column.
    """
    chosen = best(results)
    found = [list(_HEADINGS)]
    for variant in sorted(own(results), key=lambda variant: variant['latency_ms']['p50']):
        found.append([_cell(text) for text in (
            _device(results), _software(results),
            f'{variant["model"]}, {size_text(variant["input"])}',
            f'{variant["provider_run"]}, {_precision(variant)}', _agreement(variant),
            _latency(variant), _stages(variant),
            *(_sustained(results['sustained']) if variant is chosen else ['-'] * 3))])
        found[-1].append(report)
    return found


def read_report(file: Path) -> dict[str, Any]:
    """
    Read a report that was sent.

    :raises ReportError: it is none, or of another format.
    :raises OSError: the file cannot be read.
    """
    try:
        results = json.loads(file.read_text(encoding='utf-8'))
        known = results['benchmark'] == 'device' and results['format'] == FORMAT
        if not known or not results['variants']:
            raise ReportError(f'{file} is no report with measurements of "frm benchmark '
                              f'--device-report" in format {FORMAT}')
        description(results)
        table(results)
        _load(results)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f'{file} is no report of "frm benchmark --device-report": '
                          f'{type(error).__name__}: {error}') from error
    return results


def devices_table(folder: Path) -> str:
    """
    Return the table of docs/devices.md: the reports in a folder, and the Jetsons awaited.

    :raises ReportError: a file there is no report.
    """
    reports = {file: read_report(file) for file in sorted(folder.glob('*.json'))}
    found = [list(_HEADINGS)]
    for file, results in reports.items():
        link = f'[{_cell(results["date"])}]({folder.name}/{file.name})'
        found += rows(results, f'{link}, load {_load(results)}')[1:]
    there = ' '.join(str(results['device']['name']) for results in reports.values())
    found += [[f'Jetson {name}', *['-'] * (len(_HEADINGS) - 2), 'awaited']
              for name in AWAITED if name not in there]
    return markdown_table(found)


def _device(results: Mapping[str, Any]) -> str:
    device = results['device']
    mode = f', power mode {device["power_mode"]}' if device['power_mode'] else ''
    return f'{device["name"]}, {results["machine"]["cores"]} cores{mode}'


def _software(results: Mapping[str, Any]) -> str:
    device = results['device']
    system = (f'Jetson Linux {device["jetson_linux"]} (JetPack {device["jetpack"] or "?"})'
              if device['jetson_linux'] else results['machine']['os'])
    libraries = [f'{name} {version}' for name, version in (
        ('CUDA', device['cuda']), ('TensorRT', device['tensorrt']),
        *((package, results['versions'].get(package)) for package in _SOFTWARE)) if version]
    return ', '.join([system, *libraries])


def _load(results: Mapping[str, Any]) -> str:
    load = results['state']['load']
    return f'{load["before"]:.1f}, then at most {load["most"]:.1f}'


def _precision(variant: Mapping[str, Any]) -> str:
    ran, asked = variant['precision_run'], variant['precision']
    return str(asked) if ran == asked else f'{asked} ({ran})'


def _agreement(variant: Mapping[str, Any]) -> str:
    share = variant['label_agreement']
    return f'{share:.2%}' + ('' if share >= LEAST_AGREEMENT else ': too few')


def _latency(variant: Mapping[str, Any]) -> str:
    return ' / '.join(f'{variant["latency_ms"][key]:.1f}' for key in ('p50', 'p95', 'p99'))


def _stages(variant: Mapping[str, Any]) -> str:
    return ', '.join(f'{stage} {latency["p50"]:.1f}'
                     for stage, latency in variant['stages_ms'].items())


def _sustained(sustained: Mapping[str, Any] | None) -> list[str]:
    """Return the cells of the work without a pause: times, temperature, throttling."""
    if sustained is None:
        return ['-'] * 3
    parts, state = sustained['p50_ms_of_parts'], sustained['state']
    hottest = max(state['celsius'].items(), key=lambda zone: zone[1]['hottest'], default=None)
    return [f'{parts[0]:.1f}, {parts[-1]:.1f} in {sustained["seconds"]:.0f} s',
            'not known' if hottest is None else
            f'{hottest[1]["before"]:.0f} to {hottest[1]["hottest"]:.0f} °C ({hottest[0]})',
            'not known' if state['throttled'] is None else
            '; '.join(state['throttled']) or 'no']


def _cell(text: str) -> str:
    """Return a text that is nothing but text in a cell of a Markdown table."""
    plain = ' '.join(str(text).split())[:_LONGEST_CELL]
    for special, escaped in (('\\', '\\\\'), ('|', '\\|'), ('<', '&lt;'), ('[', '\\['),
                             ('`', "'"), ('*', '\\*')):
        plain = plain.replace(special, escaped)
    return plain
