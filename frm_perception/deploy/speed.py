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
Speed of networks side by side: one image after the other, on the CPU, in two runtimes.

Every network has random weights, which its speed does not depend on (there are no denormal numbers
among its activations, which would slow a processor down), and is exported for one size of image as
it would be for a vehicle. Networks and runtimes take turns, several times over, so that a computer
that grows slower or faster while they do favours none; only one is loaded at a time. That both
runtimes compute the same is checked beforehand.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from frm_perception.deploy.export import export_onnx
from frm_perception.deploy.peers import peers
from frm_perception.deploy.runtimes import LITERT
from frm_perception.deploy.runtimes import ONNX_RUNTIME
from frm_perception.deploy.runtimes import OPENVINO
from frm_perception.deploy.runtimes import PACKAGES
from frm_perception.deploy.runtimes import Infer
from frm_perception.deploy.runtimes import Load
from frm_perception.deploy.runtimes import Subject
from frm_perception.deploy.runtimes import onnx_runtime
from frm_perception.deploy.runtimes import openvino
from frm_perception.deploy.runtimes import operator_shares
from frm_perception.evaluation.record import markdown_table
from frm_perception.evaluation.record import origin_text
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import build
from frm_perception.networks.cost import Cost
from frm_perception.networks.cost import measure_cost

CLASSES = 19
LARGEST_DISAGREEMENT = 1e-3
_PACKAGES = (*PACKAGES, 'torch', 'numpy')
_WARM_UP = 2
_FEWEST_IMAGES = 3
_SHOWN_OPERATORS = 3


class DisagreementError(RuntimeError):
    """Two runtimes compute different things of the same network; the message names it."""


def measure(names: Sequence[str], size: tuple[int, int], threads: int, rounds: int,
            seconds: float, peer_folder: Path | None, plain: bool) -> dict[str, Any]:
    """
    Measure networks, and the public peers if their folder is given.

    :param names: see :func:`frm_perception.networks.build`.
    :param size: (height, width) of the images.
    :param threads: of each runtime.
    :param rounds: turns of each network in each runtime.
    :param seconds: least length of a turn; it has at least 3 images.
    :param plain: also measure every network without what only makes it faster, see
        :func:`frm_perception.deploy.export.export_onnx`.
    :return: what :func:`table` prints and ``--json`` writes.
    :raises ValueError: no such network, or ``size`` does not fit it.
    :raises FileNotFoundError: a peer's file is missing.
    :raises DisagreementError: the runtimes do not compute the same of a network.
    """
    origin = provenance(_PACKAGES)
    # Before anything that takes long, so that what cannot be done is refused at once.
    costs = {name: _cost(name, size) for name in names}
    subjects = peers(peer_folder, size, threads) if peer_folder else []
    with tempfile.TemporaryDirectory(prefix='frm-benchmark-') as folder, \
            tqdm(costs.items(), unit='export') as progress:
        exported = []
        for name, cost in progress:
            progress.set_description(name)
            for variant in (False, True) if plain else (False,):
                exported.append(_subject(name, size, threads, cost, Path(folder), variant))
        subjects = exported + subjects
        times = take_turns({(subject.name, runtime): load for subject in subjects
                            for runtime, load in subject.runtimes.items()}, rounds, seconds)
    return {
        'benchmark': 'networks', 'size': list(size), 'classes': CLASSES, 'threads': threads,
        'rounds': rounds, 'seconds': seconds, 'peers': peer_folder is not None, **origin,
        'networks': [_result(subject, times) for subject in subjects]}


def table(results: dict[str, Any]) -> str:
    """Return the results as a Markdown table that is also readable on a terminal."""
    networks = results['networks']
    used = [runtime for runtime in (ONNX_RUNTIME, OPENVINO, LITERT)
            if any(runtime in network['runtimes'] for network in networks)]
    rows = [['network', 'input', 'params M', 'GMAC', 'attention GMAC',
             *(f'{runtime} p50 / p95 ms' for runtime in used),
             *(f'{runtime} GMAC/s' for runtime in used),
             f'slowest operators in {ONNX_RUNTIME}']]
    for network in networks:
        measured = [network['runtimes'].get(runtime) for runtime in used]
        slowest = list(network['operators'].items())[:_SHOWN_OPERATORS]
        rows.append([
            network['name'],
            f'{network["input"][0]}x{network["input"][1]} {network["precision"]}',
            f'{network["parameters"] / 1e6:.2f}', f'{network["convolutions"] / 1e9:.2f}',
            f'{network["attention"] / 1e9:.2f}',
            *(_latency_text(figures['latency_ms']) if figures else '-' for figures in measured),
            *(f'{figures["gmac_per_second"]:.1f}' if figures else '-' for figures in measured),
            ', '.join(f'{kind} {share:.0%}' for kind, share in slowest) or '-'])
    return markdown_table(rows)


def description(results: dict[str, Any]) -> str:
    """Return one line on where and how the results were measured."""
    height, width = results['size']
    peers_text = (
        'The last two are the peers; a dash stands where a runtime does not read their format.'
        if results['peers'] else 'The peers were left out (--peers FOLDER).')
    return (f'One image of {height}x{width} (height x width) after the other, '
            f'{results["classes"]} classes, random weights, {results["threads"]} threads, '
            f'{results["rounds"]} rounds in turn of at least {results["seconds"]:g} s and '
            f'{_FEWEST_IMAGES} images each {origin_text(results)} {peers_text}')


def check_agreement(name: str, expected: NDArray[Any], got: NDArray[Any]) -> float:
    """
    Return the largest difference of two outputs, over the largest value of the first.

    :raises DisagreementError: it is more than 1e-3, or is no number.
    """
    difference = float(np.abs(got - expected).max() / np.abs(expected).max())
    if not difference <= LARGEST_DISAGREEMENT:
        raise DisagreementError(
            f'{name}: the output of {OPENVINO} differs from that of {ONNX_RUNTIME} by '
            f'{difference:.1e} of its largest value; {LARGEST_DISAGREEMENT:g} is allowed, so '
            f'their times cannot be compared')
    return difference


def _cost(name: str, size: tuple[int, int]) -> Cost:
    network = build(name, CLASSES)
    try:
        network.check_size(*size)
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from error
    return measure_cost(network, *size)


def _subject(name: str, size: tuple[int, int], threads: int, cost: Cost, folder: Path,
             plain: bool) -> Subject:
    network = _random_network(name)
    if plain:
        name = f'{name}, plain'
    file = folder / f'{name}.onnx'
    file.write_bytes(export_onnx(network, size, plain))
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    runtimes: dict[str, Load] = {
        ONNX_RUNTIME: partial(onnx_runtime, file, image, threads),
        OPENVINO: partial(openvino, file, image, threads)}
    expected, got = (load()() for load in runtimes.values())
    return Subject(name, size, 'fp32', cost, operator_shares(file, image, threads),
                   check_agreement(name, expected, got), runtimes)


def _random_network(name: str) -> SegmentationNetwork:
    torch.manual_seed(0)
    network = build(name, CLASSES)
    # A branch that begins at or near zero would hide from the comparison of the runtimes.
    for parameter in network.parameters():
        if parameter.abs().max() < 1e-4:
            nn.init.normal_(parameter, std=0.1)
    return network


def take_turns(loads: Mapping[tuple[str, str], Load], rounds: int, seconds: float
               ) -> dict[tuple[str, str], list[list[float]]]:
    """
    Return the milliseconds of each image of each round.

    :param loads: by what is timed and in what way, which the progress bar names.
    """
    times: dict[tuple[str, str], list[list[float]]] = {key: [] for key in loads}
    with tqdm(total=rounds * len(loads), unit='turn') as progress:
        for _ in range(rounds):
            for key, load in loads.items():
                progress.set_description(' in '.join(key))
                times[key].append(_time(load(), seconds))
                progress.update()
    return times


def _time(infer: Infer, seconds: float) -> list[float]:
    """Return the milliseconds of each image."""
    for _ in range(_WARM_UP):
        infer()
    end = time.perf_counter() + seconds
    milliseconds: list[float] = []
    while len(milliseconds) < _FEWEST_IMAGES or time.perf_counter() < end:
        start = time.perf_counter()
        infer()
        milliseconds.append(1000 * (time.perf_counter() - start))
    return milliseconds


def _result(subject: Subject, times: dict[tuple[str, str], list[list[float]]]) -> dict[str, Any]:
    multiply_adds = subject.cost.convolutions + subject.cost.attention
    runtimes = {}
    for runtime in subject.runtimes:
        by_round = times[subject.name, runtime]
        latency = percentiles([value for values in by_round for value in values])
        runtimes[runtime] = {
            'images': sum(map(len, by_round)), 'latency_ms': latency,
            'p50_ms_of_rounds': [percentiles(values)['p50'] for values in by_round],
            'gmac_per_second': multiply_adds / 1e6 / latency['p50']}
    return {'name': subject.name, 'input': list(subject.size), 'precision': subject.precision,
            **asdict(subject.cost), 'disagreement': subject.disagreement,
            'operators': subject.operators, 'runtimes': runtimes}


def _latency_text(latency: dict[str, float]) -> str:
    return f'{latency["p50"]:.1f} / {latency["p95"]:.1f}'
