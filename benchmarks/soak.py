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
Four cameras for many minutes: memory and latency have to be flat.

Camera, node and listener are processes of their own. The cameras send at a steady rate that the
node can answer. Of every minute the program notes the node's memory and the latency of the
answers, from the image's stamp to the arrival of its drivable mask. The first tenth of the run, in
which allocators find their size, is left out; through the rest a line is laid. Flat is what that
line does not rise by more than the limits, from its one end to the other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from node_process import Diagnostics
from node_process import SegmenterProcess
from tqdm import tqdm

from benchmarks.answers import Answers
from benchmarks.camera import Cameras
from benchmarks.camera import Stream
from benchmarks.program import Demand
from benchmarks.program import conclude
from benchmarks.program import option_parser
from benchmarks.system import counts_of
from benchmarks.system import private_system
from benchmarks.system import running
from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percentiles
from frm_perception.ros.children import Children
from frm_perception.runtime.resident_memory import resident_mib

MOST_GROWTH_MIB = 8.0
MOST_SLOWER = 0.1
"""By which share of its beginning the line through the latencies may rise."""
ERRORS = 2.0
"""A rise of the latency counts beyond so many standard errors, as other work shows in it."""
CAMERAS = ('front', 'rear', 'left', 'right')
_SETTLING = 0.1
_WARM_UP_S = 5.0
_QUIET_S = 1.5
_MINUTE = 60.0


def measure(size: tuple[int, int], resolution: str, rate: float, minutes: float, window: float
            ) -> tuple[dict[str, Any], list[Demand]]:
    """
    Let four cameras send for so long.

    :param size: (height, width) of the images.
    :param resolution: of the network's input, as the node's parameter has it.
    :param rate: images a second, of each camera.
    :param window: seconds that each line of the series is about.
    :return: what :func:`table` prints, and what :func:`demands` makes of it.
    """
    with private_system(processes=3) as probe, running(
            probe, cameras=list(CAMERAS), resolution=resolution
    ) as node, Diagnostics(probe, node) as diagnostics, tempfile.TemporaryDirectory(
            prefix='frm-soak-') as folder, Children(Path(folder)) as children:
        assert node.change_state('configure') and node.change_state('activate'), node.log()
        prefixes = {camera: f'{node.namespace}/{camera}' for camera in CAMERAS}
        answers = Answers(probe, prefixes)
        topics = [f'{prefix}/image_raw' for prefix in prefixes.values()]
        cameras = Cameras(children, size, topics)
        cameras.ready()
        everything = len(CAMERAS) * rate
        warm_up = Stream(topics, everything, round(everything * _WARM_UP_S))
        cameras.begin(warm_up)
        cameras.end(warm_up)
        answers.quiet(_QUIET_S)
        counted, heard = _counts(diagnostics), answers.counts()
        stream = Stream(topics, everything, round(everything * minutes * _MINUTE))
        cameras.begin(stream)
        series = _watch(node, answers, round(minutes * _MINUTE / window), window)
        sent = cameras.end(stream)
        answers.quiet(_QUIET_S)
        counts = {camera: {name: value - counted[camera][name] for name, value in each.items()}
                  for camera, each in _counts(diagnostics).items()}
        _, engine = diagnostics.next_status('engine')
    results = {
        'camera': list(size), 'rate': rate, 'minutes': minutes, 'window': window,
        'model': engine['model'], 'resolution': engine['resolution'],
        'state': engine['state'], 'restarts': int(engine['restarts']),
        'sent': stream.count, 'sent_hz': stream.count / sent['seconds'],
        'heard': {camera: count - heard[camera] for camera, count in answers.counts().items()},
        'counts': counts, 'series': series}
    return results, demands(results)


def _counts(diagnostics: Diagnostics) -> dict[str, dict[str, int]]:
    """Return what the node has counted of every camera, when it has nothing to do."""
    return {camera: counts_of(diagnostics.next_status(camera)[1]) for camera in CAMERAS}


def _watch(node: SegmenterProcess, answers: Answers, windows: int, window: float
           ) -> list[dict[str, float]]:
    """Return memory and latency of each window, and print them as they come."""
    series = []
    begin = time.monotonic()
    with tqdm(total=windows, unit='window') as progress:
        for index in range(windows):
            before = answers.counts()
            time.sleep(max(begin + (index + 1) * window - time.monotonic(), 0.0))
            node_ended = node.process.poll()
            assert node_ended is None, f'the node has ended with status {node_ended}'
            latencies = [each.latency_ms for camera, heard in answers.heard.items()
                         for each in heard[before[camera]:]]
            latency = percentiles(latencies)
            assert latency, 'no image was answered in the latest window'
            series.append({'end_s': (index + 1) * window,
                           'memory_mib': resident_mib(node.process.pid),
                           'answered_hz': len(latencies) / window,
                           **{f'{key}_ms': latency[key] for key in ('p50', 'p95', 'p99')}})
            progress.write(_line(series[-1]))
            progress.update()
    return series


def _line(window: dict[str, float]) -> str:
    return (f'{window["end_s"] / _MINUTE:5.1f} min: {window["memory_mib"]:.1f} MiB, '
            f'{window["answered_hz"]:.1f} answers a second, p50 {window["p50_ms"]:.1f} ms, '
            f'p95 {window["p95_ms"]:.1f} ms')


class Trend(NamedTuple):
    """
    A line through values.

    :param begin: where it begins.
    :param rise: by how much it rises to its end.
    :param error: standard error of the rise; 0 for fewer than three values.
    """

    begin: float
    rise: float
    error: float


def trend(values: Sequence[float]) -> Trend:
    """Return the line through the values, but for those of the settling."""
    settled = np.asarray(values[int(len(values) * _SETTLING):], np.float64)
    steps = settled.size - 1
    if not steps:
        return Trend(float(settled[0]), 0.0, 0.0)
    places = np.arange(settled.size)
    slope, begin = np.polyfit(places, settled, 1)
    error = 0.0
    if steps > 1:
        variance = ((settled - begin - slope * places) ** 2).sum() / (steps - 1)
        error = float(np.sqrt(variance / ((places - places.mean()) ** 2).sum()))
    return Trend(float(begin), float(slope * steps), error * steps)


def demands(results: dict[str, Any]) -> list[Demand]:
    """Return what has to hold, and whether it does."""
    series = {key: [window[key] for window in results['series']]
              for key in ('memory_mib', 'p50_ms', 'p95_ms')}
    memory = trend(series['memory_mib'])
    found = [
        Demand(f'memory grows by less than {MOST_GROWTH_MIB:g} MiB',
               f'{memory.rise:+.1f} MiB from {memory.begin:.1f}',
               memory.rise < MOST_GROWTH_MIB),
        Demand('the node is active and its engine was never started again',
               f'{results["state"]}, {results["restarts"]} restarts',
               results['state'] == 'active' and results['restarts'] == 0)]
    for key in ('p50_ms', 'p95_ms'):
        line = trend(series[key])
        found.append(Demand(
            f'{key[:3]} of the latency rises by less than {MOST_SLOWER:.0%}, beyond chance',
            f'{line.rise:+.1f} ms from {line.begin:.1f}, standard error {line.error:.1f}',
            line.rise - ERRORS * line.error < MOST_SLOWER * line.begin))
    for camera, counts in results['counts'].items():
        decided = sum(counts.values()) - counts['received']
        bad = counts['malformed'] + counts['failed']
        found.append(Demand(
            f'{camera}: every image is accounted for, and none failed',
            f'{counts["received"]} received, {decided} counted, {bad} malformed or failed',
            counts['received'] == decided and not bad))
        found.append(Demand(
            f'{camera}: what was answered was heard',
            f'{counts["answered"]} answered, {results["heard"][camera]} heard',
            counts['answered'] == results['heard'][camera]))
    return found


def table(results: dict[str, Any]) -> str:
    """Return what became of each camera's images, as a Markdown table."""
    rows = [['camera', 'received', 'answered', 'dropped']]
    for camera, counts in results['counts'].items():
        rows.append([camera, *(str(counts[name]) for name in ('received', 'answered', 'dropped'))])
    return (f'{len(CAMERAS)} cameras of {results["camera"][0]}x{results["camera"][1]} (height x '
            f'width) at {results["rate"]:g} Hz for {results["minutes"]:g} minutes, '
            f'{results["model"]} at {results["resolution"]}\n\n{markdown_table(rows)}')


def main(arguments: Sequence[str]) -> int:
    """Run the program; return the exit status."""
    parser = option_parser('soak', __doc__)
    parser.add_argument('--camera', type=image_size, default=(540, 960), metavar='HEIGHTxWIDTH',
                        help='size of the images (default: 540x960)')
    parser.add_argument('--resolution', default='auto', metavar='HEIGHTxWIDTH',
                        help="of the network's input (default: the model's)")
    parser.add_argument('--rate', type=positive, default=3.0, metavar='HZ',
                        help='images a second of each camera (default: %(default)s)')
    parser.add_argument('--minutes', type=positive, default=20.0, metavar='N',
                        help='default: %(default)s')
    parser.add_argument('--window', type=positive, default=_MINUTE, metavar='SECONDS',
                        help='that each line of the series is about (default: %(default)s)')
    args = parser.parse_args(arguments)
    return conclude('soak', partial(measure, args.camera, args.resolution, args.rate,
                                    args.minutes, args.window), table, args.json)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
