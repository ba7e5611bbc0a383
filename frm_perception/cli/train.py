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


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'train', help='train a network from a YAML configuration; resumes where it stopped')
    parser.add_argument('config', type=Path, help='e.g. config/training/frm-mobilenetv2.yaml')
    parser.add_argument('-o', '--output', type=Path, required=True,
                        help='folder of the run: checkpoint.pt and log.jsonl')
    parser.add_argument('--cache', type=Path, default=Path('runs/cache'),
                        help='folder for rendered scenes and labelled footage (%(default)s)')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train to the end, or until interrupted; the same command then goes on."""
    from frm_perception.training.config import load_config
    from frm_perception.training.loop import Run
    try:
        training = Run(load_config(args.config), args.output, args.cache)
        training.train()
    except ValueError as error:
        print(f'frm train: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'\nfrm train: interrupted; the same command goes on from {args.output}',
              file=sys.stderr)
        return 130
    print(f'trained: {training.checkpoint}')
    return 0
