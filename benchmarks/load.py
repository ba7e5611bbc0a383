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
Latency and rate of the node under load, beside plain nodes on the same network and images.

Camera, node and listener are processes of their own. Latency is from the image's stamp, set just
before it is published, to the arrival of its drivable mask; what the node adds is the median of
that less the median time of the inference itself. Our node takes turns, several rounds over and
on the same images, with two that are written as one writes a node first (`plain_node.py`): `plain`
enlarges logits, as ours does; `coarse` enlarges labels, which takes less time and leaves edges in
steps. Both squeeze an image into the network's input, where ours keeps its proportions. How many
pixels each labels as ours does is counted. The turns:

- `calm`: a few images a second, so that each is answered before the next one comes;
- `full`: twice as many as calm latency would allow, which shows how many are answered a second;
- `busy`, of our node alone: twice as many as it answers a second.

At the end our node gets so many from four cameras.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from node_process import Diagnostics
from tqdm import tqdm

from benchmarks.answers import Answers
from benchmarks.answers import Heard
from benchmarks.camera import Cameras
from benchmarks.camera import Stream
from benchmarks.program import Demand
from benchmarks.program import conclude
from benchmarks.program import option_parser
from benchmarks.system import private_system
from benchmarks.system import running
from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive
from frm_perception.deploy.float_model import float_model
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import percentiles
from frm_perception.ros.children import Child
from frm_perception.ros.children import Children
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.share import share_folder

MOST_ADDED_MS = 25.0
LEAST_RATE_RATIO = 1.5
MOST_ADDED_RATIO = 0.5
MOST_BUSY_RATIO = 1.5
MOST_UNFAIRNESS = 0.1
LEAST_SENT = 0.95

OURS, PLAIN, COARSE = 'ours', 'plain', 'coarse'
SHARING = ('front', 'rear', 'left', 'right')
_ENLARGED = {PLAIN: 'logits', COARSE: 'labels'}
_CALM_HZ = 3.0
_WARM_UP_HZ = 10.0
_WARM_UP_S = 2.0
_SETTLING_S = 1.0
_QUIET_S = 1.5


@dataclass(frozen=True)
class Phase:
    """
    What came of one stream.

    :param asked_hz: rate that was asked of the cameras; `sent_hz` is what they reached.
    :param heard: masks that came, by camera, but for the first second.
    :param seconds: of the stream, but for the first.
    """

    asked_hz: float
    sent_hz: float
    heard: Mapping[str, Sequence[Heard]]
    seconds: float

    @property
    def rate(self) -> float:
        """Return the answers a second, of all cameras."""
        return sum(map(len, self.heard.values())) / self.seconds

    @property
    def latency_ms(self) -> list[float]:
        """Return the latency of every answer."""
        return [heard.latency_ms for each in self.heard.values() for heard in each]


@dataclass
class Side:
    """
    One of the nodes.

    :param calm: phases, one a round; ``full`` and ``busy`` alike.
    :param infer_ms: median time of the calm inferences.
    :param agreement: share of the pixels that it labels as ours does.
    """

    calm: list[Phase] = field(default_factory=list)
    full: list[Phase] = field(default_factory=list)
    busy: list[Phase] = field(default_factory=list)
    infer_ms: float = 0.0
    agreement: float = 1.0

    @property
    def latency_ms(self) -> list[float]:
        """Return the latency of every calm answer."""
        return _latencies(self.calm)

    @property
    def rate(self) -> float:
        """Return the answers a second, at most: the median of the rounds."""
        return median(phase.rate for phase in self.full)

    @property
    def added_ms(self) -> float:
        """Return what the node adds to the inference, at the median of calm images."""
        return median(self.latency_ms) - self.infer_ms


class Bench:
    """
    Streams images to the nodes, one stream at a time.

    :param prefixes: what the topics of each camera begin with.
    """

    def __init__(self, cameras: Cameras, answers: Answers, prefixes: Mapping[str, str],
                 progress: tqdm[Any]) -> None:
        self._cameras = cameras
        self._answers = answers
        self._prefixes = prefixes
        self._progress = progress

    def stream(self, what: str, names: Sequence[str], rate: float, seconds: float) -> Phase:
        """Let cameras send for so long; wait until the last answer is there."""
        self._progress.set_description(what)
        stream = Stream([f'{self._prefixes[name]}/image_raw' for name in names], rate,
                        round(rate * (seconds + _SETTLING_S)))
        before = {name: len(self._answers.heard[name]) for name in names}
        self._cameras.begin(stream)
        sent = self._cameras.end(stream)
        self._answers.quiet(_QUIET_S)
        first, last = sent['began'] + _SETTLING_S, sent['began'] + sent['seconds']
        heard = {name: [each for each in self._answers.heard[name][before[name]:]
                        if first <= each.at <= last] for name in names}
        assert any(heard.values()), f'nothing was answered: {what}'
        self._progress.update()
        return Phase(rate, stream.count / sent['seconds'], heard, last - first)

    def agreement(self, name: str, other: str) -> float:
        """Return the share of pixels with the same label in the newest answers of two cameras."""
        ours, theirs = (np.frombuffer(self._answers.labels[each].data, np.uint8)
                        for each in (name, other))
        return float((ours == theirs).mean())


def measure(size: tuple[int, int], resolution: str, precision: str, rounds: int, seconds: float
            ) -> tuple[dict[str, Any], list[Demand]]:
    """
    Measure the nodes.

    :param size: (height, width) of the images.
    :param resolution: of the network's input, as the node's parameter has it.
    :param precision: of our node; the plain ones have fp32.
    :param rounds: turns of each node.
    :param seconds: length of a turn, beside the first second, which does not count.
    :return: what :func:`table` prints, and what :func:`demands` makes of it.
    """
    bundle = find_bundle(share_folder('models'))
    names = ('warm', 'calm', 'full', 'busy', *SHARING)
    with private_system(processes=5) as probe, running(
            probe, cameras=list(names), resolution=resolution, precision=precision
    ) as node, Diagnostics(probe, node) as diagnostics, tempfile.TemporaryDirectory(
            prefix='frm-load-') as folder, Children(Path(folder)) as children:
        prefixes = {name: f'{node.namespace}/{name}' for name in names}
        prefixes.update({name: f'/{name}' for name in _ENLARGED})
        others = _start_plain(children, bundle, resolution, Path(folder))
        assert node.change_state('configure') and node.change_state('activate'), node.log()
        answers = Answers(probe, prefixes)
        cameras = Cameras(
            children, size, [f'{prefix}/image_raw' for prefix in prefixes.values()])
        cameras.ready()
        with tqdm(total=7 * rounds + 4, unit='stream') as progress:
            bench = Bench(cameras, answers, prefixes, progress)
            sides = _take_turns(bench, others, rounds, seconds)
            ours = sides[OURS]
            shared = bench.stream('four cameras', SHARING, 2 * ours.rate, 2 * seconds)
        _, values = diagnostics.next_status('calm')
        ours.infer_ms = float(values['infer_p50_ms'])
        _, engine = diagnostics.next_status('engine')
    results = {
        'camera': list(size), 'rounds': rounds, 'seconds': seconds, 'model': bundle.name,
        'resolution': engine['resolution'], 'threads': int(engine['threads']),
        'provider': engine['provider'], 'precision': engine['precision'], 'calm_hz': _CALM_HZ,
        'nodes': {name: _side_results(side) for name, side in sides.items()},
        'busy': {'latency_ms': percentiles(_latencies(ours.busy)),
                 'rounds': [_phase_results(phase) for phase in ours.busy]},
        'shared': {**_phase_results(shared), 'answered': {
            name: len(heard) for name, heard in shared.heard.items()}}}
    return results, demands(results)


def _start_plain(children: Children, bundle: Bundle, resolution: str, folder: Path
                 ) -> dict[str, Child]:
    """Start the plain nodes on the bundle's network; return them by name."""
    size = parse_resolution(resolution, bundle)
    model, mean, scale = float_model(bundle.verified_model('fp32'), size)
    file = folder / 'plain.onnx'
    file.write_bytes(model)
    space = bundle.label_space
    values = {'model': str(file), 'resolution': list(size), 'mean': mean.ravel().tolist(),
              'scale': scale.ravel().tolist(),
              'drivable': [space.classes.index(name) for name in space.drivable]}
    return {name: children.start(f'{name} node', 'benchmarks.plain_node', [
        '--ros-args', '-r', f'__ns:=/{name}',
        *(text for parameter, value in {**values, 'enlarged': enlarged}.items()
          for text in ('-p', f'{parameter}:={value}'))], os.environ)
        for name, enlarged in _ENLARGED.items()}


def _take_turns(bench: Bench, others: Mapping[str, Child], rounds: int, seconds: float
                ) -> dict[str, Side]:
    """Return what came of the turns of our node and of the others."""
    for name in ('warm', *others):
        bench.stream('warming up', [name], _WARM_UP_HZ, _WARM_UP_S)
    sides = {name: Side() for name in (OURS, *others)}
    inferences: dict[str, list[float]] = {name: [] for name in others}
    for _ in range(rounds):
        sides[OURS].calm.append(bench.stream('ours, calm', ['calm'], _CALM_HZ, seconds))
        for name, child in others.items():
            child.reports()
            sides[name].calm.append(bench.stream(f'{name}, calm', [name], _CALM_HZ, seconds))
            inferences[name] += [report['ms'] for report in child.reports()]
            # Now the newest answer of both is to the same image.
            sides[name].agreement = bench.agreement('calm', name)
        full = 2e3 / median(sides[OURS].latency_ms)
        sides[OURS].full.append(bench.stream('ours, full', ['full'], full, seconds))
        for name in others:
            sides[name].full.append(bench.stream(f'{name}, full', [name], full, seconds))
        sides[OURS].busy.append(
            bench.stream('ours, busy', ['busy'], 2 * sides[OURS].rate, seconds))
    for name in others:
        sides[name].infer_ms = median(inferences[name])
    return sides


def _latencies(phases: Sequence[Phase]) -> list[float]:
    return [value for phase in phases for value in phase.latency_ms]


def _side_results(side: Side) -> dict[str, Any]:
    return {'latency_ms': percentiles(side.latency_ms), 'infer_ms': side.infer_ms,
            'added_ms': side.added_ms, 'rate': side.rate, 'agreement': side.agreement,
            'full': [_phase_results(phase) for phase in side.full]}


def _phase_results(phase: Phase) -> dict[str, Any]:
    return {'asked_hz': phase.asked_hz, 'sent_hz': phase.sent_hz, 'rate': phase.rate,
            'latency_ms': percentiles(phase.latency_ms)}


def demands(results: dict[str, Any]) -> list[Demand]:
    """Return what has to hold, and whether it does."""
    ours, plain = results['nodes'][OURS], results['nodes'][PLAIN]
    busy, shared = results['busy'], results['shared']
    faster, added = ours['rate'] / plain['rate'], ours['added_ms'] / plain['added_ms']
    slower = busy['latency_ms']['p50'] / ours['latency_ms']['p50']
    answered = shared['answered']
    fair = sum(answered.values()) / len(answered)
    unfair = max(abs(number - fair) / fair for number in answered.values())
    streams = [shared, *busy['rounds'], *(phase for side in results['nodes'].values()
                                          for phase in side['full'])]
    least = min(stream['sent_hz'] / stream['asked_hz'] for stream in streams)
    slowest = max(side['latency_ms']['p95'] for side in results['nodes'].values())
    return [
        Demand('calm images find the nodes with nothing to do',
               f'p95 {slowest:.1f} ms of {1e3 / _CALM_HZ:.0f} ms', slowest < 1e3 / _CALM_HZ),
        Demand(f'ours adds at most {MOST_ADDED_MS:g} ms to the inference at p50',
               f'{ours["added_ms"]:.1f} ms', ours['added_ms'] <= MOST_ADDED_MS),
        Demand(f'ours answers at least {LEAST_RATE_RATIO:g} times as many as plain',
               f'{ours["rate"]:.1f} and {plain["rate"]:.1f} a second, {faster:.2f} times',
               faster >= LEAST_RATE_RATIO),
        Demand(f'ours adds at most {MOST_ADDED_RATIO:g} times what plain adds',
               f'{ours["added_ms"]:.1f} and {plain["added_ms"]:.1f} ms, {added:.2f} times',
               added <= MOST_ADDED_RATIO),
        Demand(f'at twice the capacity, latency is at most {MOST_BUSY_RATIO:g} times the calm one',
               f'p50 {busy["latency_ms"]["p50"]:.1f} and {ours["latency_ms"]["p50"]:.1f} ms, '
               f'{slower:.2f} times', slower <= MOST_BUSY_RATIO),
        Demand(f'four cameras get equal shares within {MOST_UNFAIRNESS:.0%}',
               f'{", ".join(map(str, answered.values()))} answers, {unfair:.1%} from equal',
               unfair <= MOST_UNFAIRNESS),
        Demand(f'the cameras sent at least {LEAST_SENT:.0%} of what was asked',
               f'{least:.0%} at least', least >= LEAST_SENT)]


def table(results: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    rows = [['node', 'calm p50 / p95 / p99 ms', 'inference p50 ms', 'added ms',
             'answers a second at most', 'then p50 / p95 / p99 ms', 'labels as ours']]
    for name, side in results['nodes'].items():
        rows.append([name, _latency_text(side['latency_ms']), f'{side["infer_ms"]:.1f}',
                     f'{side["added_ms"]:.1f}', f'{side["rate"]:.1f}',
                     _latency_text(side['full'][-1]['latency_ms']),
                     f'{side["agreement"]:.2%}'])
    overload = [['ours at twice its capacity', 'sent a second', 'answered a second',
                 'p50 / p95 / p99 ms']]
    for name, phases, latency in (
            ('one camera', results['busy']['rounds'], results['busy']['latency_ms']),
            ('four cameras', [results['shared']], results['shared']['latency_ms'])):
        overload.append([name, *(f'{median(phase[key] for phase in phases):.1f}'
                                 for key in ('sent_hz', 'rate')), _latency_text(latency)])
    return (f'{results["camera"][0]}x{results["camera"][1]} images (height x width), '
            f'{results["model"]} at {results["resolution"]} on {results["provider"]}; ours in '
            f'{results["precision"]}, the others in fp32\n\n'
            f'{markdown_table(rows)}\n\n{markdown_table(overload)}')


def _latency_text(latency: Mapping[str, float]) -> str:
    return ' / '.join(f'{latency[key]:.1f}' for key in ('p50', 'p95', 'p99')) if latency else '-'


def main(arguments: Sequence[str]) -> int:
    """Run the program; return the exit status."""
    parser = option_parser('load', __doc__)
    parser.add_argument('--camera', type=image_size, default=(1080, 1920), metavar='HEIGHTxWIDTH',
                        help='size of the images (default: 1080x1920)')
    parser.add_argument('--resolution', default='auto', metavar='HEIGHTxWIDTH',
                        help="of the network's input (default: the model's)")
    parser.add_argument('--precision', default='fp32',
                        help='of our node; the plain ones have fp32 (default: %(default)s)')
    parser.add_argument('--rounds', type=count, default=4, metavar='N',
                        help='turns of each node (default: %(default)s)')
    parser.add_argument('--seconds', type=positive, default=10.0, metavar='N',
                        help='length of a turn (default: %(default)s)')
    args = parser.parse_args(arguments)
    return conclude('load', partial(measure, args.camera, args.resolution, args.precision,
                                    args.rounds, args.seconds), table, args.json)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
