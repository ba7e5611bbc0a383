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
"""``frm benchmark``: measurements to repeat on one's own computer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from frm_perception.cli import benchmark_bag
from frm_perception.cli import benchmark_frame
from frm_perception.cli import benchmark_memory
from frm_perception.cli import device_report
from frm_perception.cli.arguments import count
from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'benchmark', help='measure the networks, their parts, or how images travel')
    parser.add_argument(device_report.OPTION, nargs=argparse.REMAINDER, action=_DeviceReport,
                        help='what this computer makes of the shipped models, as a file and as '
                             f'rows of docs/devices.md; {device_report.OPTION} --help says more')
    parser.set_defaults(run=partial(_no_kind, parser))
    kinds = parser.add_subparsers(dest='kind', metavar='KIND')
    transport = kinds.add_parser(
        'transport', help='delivery rate and latency with and without the shared memory profile',
        description='Sends images from one process to another, with Fast DDS as it comes and '
                    'with config/fastdds_shm.xml, and prints what arrives and how late.')
    transport.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')
    transport.add_argument('--seconds', type=positive, default=5.0, metavar='N',
                           help='length of each of the 8 runs (default: %(default)s)')
    transport.add_argument('--rate', type=positive, default=20.0, metavar='HZ',
                           help='images a second (default: %(default)s)')
    transport.set_defaults(run=run_transport)
    networks = kinds.add_parser(
        'networks', help='speed of networks in ONNX Runtime and OpenVINO on the CPU',
        description='Exports networks with random weights and times them in turn, in ONNX '
                    'Runtime and OpenVINO at fp32, and prints how long an image takes.')
    networks.add_argument('names', nargs='*', metavar='NETWORK',
                          help='see frm networks (default: all that it lists)')
    networks.add_argument('--json', type=Path, metavar='FILE', help='also write the results here')
    networks.add_argument('--peers', type=Path, metavar='FOLDER',
                          help='also time the two public networks whose files are in this folder')
    networks.add_argument('--size', type=image_size, default=(512, 1024), metavar='HEIGHTxWIDTH',
                          help='of the images (default: 512x1024)')
    networks.add_argument('--threads', type=count, default=2, metavar='N',
                          help='of each runtime (default: %(default)s)')
    networks.add_argument('--rounds', type=count, default=3, metavar='N',
                          help='how often it is the turn of each (default: %(default)s)')
    networks.add_argument('--seconds', type=positive, default=2.0, metavar='N',
                          help='least length of a turn (default: %(default)s)')
    networks.add_argument('--plain', action='store_true',
                          help='also time each network without what only makes it faster: '
                               'operators fused, and computed in a better order')
    networks.set_defaults(run=run_networks)
    benchmark_frame.add_parser(kinds)
    benchmark_bag.add_parser(kinds)
    benchmark_memory.add_parser(kinds)
    ablation = kinds.add_parser(
        'ablation', help='what a part of a network or of the loss is worth, over several seeds',
        description='Trains variants of one configuration with several seeds each, and prints '
                    'how well they do on held-out images. Goes on where it stopped.')
    ablation.add_argument('config', type=Path, metavar='CONFIG',
                          help='e.g. config/training/ablation.yaml')
    ablation.add_argument('-o', '--output', type=Path, required=True, metavar='FOLDER',
                          help='of the runs')
    ablation.add_argument('--json', type=Path, metavar='FILE',
                          help='also write the results here, anew after every run')
    ablation.set_defaults(run=run_ablation)


class _DeviceReport(argparse.Action):
    """What follows belongs to the report, and to none of the kinds."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None, option_string: str | None = None) -> None:
        """See :class:`argparse.Action`."""
        own = device_report.device_parser().parse_args(list(values or ()))
        vars(namespace).update(vars(own))


def _no_kind(parser: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    parser.error(f'say which KIND, or {device_report.OPTION}')


def run_networks(args: argparse.Namespace) -> int:
    """Measure, print the table and write the file; return the exit status."""
    from frm_perception.deploy.speed import DisagreementError
    from frm_perception.deploy.speed import description
    from frm_perception.deploy.speed import measure
    from frm_perception.deploy.speed import table
    from frm_perception.media.files import write_json
    from frm_perception.networks import NETWORKS

    try:
        results = measure(args.names or list(NETWORKS), args.size, args.threads, args.rounds,
                          args.seconds, args.peers, args.plain)
        print(f'{description(results)}\n\n{table(results)}')
        if args.json:
            write_json(args.json, results)
    except (ValueError, DisagreementError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


def run_ablation(args: argparse.Namespace) -> int:
    """Train, measure, write the file and print the table; return the exit status."""
    from frm_perception.media.files import write_json
    from frm_perception.training.ablation import load_ablation
    from frm_perception.training.ablation import measure
    from frm_perception.training.ablation_report import description
    from frm_perception.training.ablation_report import findings
    from frm_perception.training.ablation_report import table

    try:
        for results in measure(load_ablation(args.config), args.output):
            if args.json:
                write_json(args.json, results)
    except (ValueError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt:
        print(f'\nfrm benchmark: interrupted; the same command goes on from {args.output}',
              file=sys.stderr)
        return 130
    print(f'{description(results)}\n\n{table(results)}\n\n{findings(results)}')
    return 0


def run_transport(args: argparse.Namespace) -> int:
    """Measure, print the table and write the file; return the exit status."""
    from frm_perception.media.files import write_json
    from frm_perception.ros.children import ChildError
    from frm_perception.ros.transport_benchmark import combinations
    from frm_perception.ros.transport_benchmark import description
    from frm_perception.ros.transport_benchmark import measure
    from frm_perception.ros.transport_benchmark import table

    try:
        results = measure(args.seconds, args.rate, combinations())
        if args.json:
            write_json(args.json, results)
    except (ChildError, OSError) as error:
        print(f'frm benchmark: {error}', file=sys.stderr)
        return 1
    print(f'{description(results)}\n\n{table(results)}')
    return 0
