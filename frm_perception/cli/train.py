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
"""`frm train`: train a network from a YAML configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from frm_perception.cli.arguments import count


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'train', help='train a network from a YAML configuration; resumes where it stopped')
    parser.add_argument('config', type=Path,
                        help='e.g. config/training/frm-light-mobilenetv2.yaml')
    parser.add_argument('-o', '--output', type=Path,
                        help='folder of the run: checkpoint.pt, log.jsonl and tensorboard/ '
                             "(default: runs/ and the configuration's name)")
    parser.add_argument('--cache', type=Path, default=Path('runs/cache'),
                        help='folder for rendered scenes and labelled footage (%(default)s)')
    parser.add_argument('--processes', type=count, default=0, metavar='N',
                        help='processes that share the work, one for each GPU (default: as many '
                             'as there are GPUs, or one); under torchrun they are there already')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train to the end, or until interrupted; the same command then goes on."""
    from frm_perception.training import processes
    wanted = args.processes or processes.devices()
    work = (args.config, args.output or Path('runs') / args.config.stem, args.cache)
    if wanted == 1 or processes.launched():
        return train_here(*work)
    return processes.launch(wanted, train_here, *work)


def train_here(config: Path, output: Path, cache: Path) -> int:
    """Train in this process, and say how it ended; return the exit status."""
    from frm_perception.training import processes
    from frm_perception.training.config import load_config
    from frm_perception.training.loop import train
    status = 0
    try:
        last_words = f'trained: {train(load_config(config), output, cache)}'
    except (OSError, ValueError) as error:
        status, last_words = 2, f'frm train: {error}'
    except KeyboardInterrupt:
        status = 130
        last_words = f'frm train: interrupted; the same command goes on from {output}'
    if processes.rank() == 0:
        print(last_words, file=sys.stderr if status else sys.stdout)
    if status == 130 and processes.launched():
        # What launched this process is no longer there to take a result.
        sys.exit(status)
    return status
