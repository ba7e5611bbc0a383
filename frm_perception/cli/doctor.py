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
"""`frm doctor`: what keeps the node from running well on this computer, and what to do."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle

if TYPE_CHECKING:
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.doctor import Finding

VERSION = 1
"""Of the JSON; it grows when a key is taken away or changes its meaning, not for a new key."""

_OPTIONS = ('backbone', 'resolution', 'fit', 'precision', 'provider', 'require_provider',
              'threads', 'engine_cache')
"""Parameters of the node that are options of the same names here."""
_ONLY_IN_FILE = {'model_dir': '', 'allow_engine_build': True, 'dla_core': -1,
                 'max_gpu_memory_mib': 0}
"""Further ones that matter, with their defaults."""
_LEAST_WIDTH, _MOST_WIDTH = 60, 120


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser(
        'doctor', help='find what keeps the node from running well on this computer',
        description='Looks at the computer, at ROS, at what computes the network and at the '
                    'model, runs an inference, and says what to do: docs/doctor.md. Exit status '
                    '0: nothing keeps the node from running well (there may be warnings); 1: '
                    'something does; 2: the options or the parameter file make no sense.')
    parser.add_argument('--params', type=Path, metavar='FILE',
                        help='look at what the node will use with this parameter file; an option '
                             'with another value than its default wins')
    parser.add_argument('--node', default='/segmenter', metavar='NAME',
                        help="the node's full name in that file (default: %(default)s)")
    parser.add_argument('--json', action='store_true',
                        help='print one JSON object instead of the table')
    add_model_arguments(parser)
    parameters = {**_ONLY_IN_FILE, **{name: parser.get_default(name) for name in _OPTIONS}}
    parser.set_defaults(run=run, parameters=parameters, **_ONLY_IN_FILE)


def run(args: argparse.Namespace) -> int:
    """Examine; 0 without errors, 1 with some, 2 if options or parameters make no sense."""
    from frm_perception.runtime.doctor import Asked
    from frm_perception.runtime.doctor import Level
    from frm_perception.runtime.doctor import examine
    from frm_perception.runtime.doctor import worst
    from frm_perception.runtime.engines import check_provider
    tell = partial(print, 'frm doctor:', file=sys.stderr, flush=True)
    try:
        if args.params is not None:
            _take_parameters(args)
        check_provider(args.provider, args.precision)
        asked = Asked(args.provider, args.precision, args.resolution, args.fit, args.threads,
                      args.engine_cache, args.allow_engine_build, args.dla_core,
                      args.max_gpu_memory_mib)
        findings = examine(asked, partial(_bundle, args), tell)
    except ValueError as error:
        tell(error)
        return 2
    level = worst(findings)
    if args.json:
        print(json.dumps(_content(vars(asked), level.value, findings), indent=2))
    else:
        print(table(findings, shutil.get_terminal_size().columns))
    return 1 if level is Level.ERROR else 0


def table(findings: Sequence[Finding], columns: int) -> str:
    """Return findings as a table no wider than so many columns, within reason."""
    width = min(max(columns, _LEAST_WIDTH), _MOST_WIDTH)
    checks = max(len(finding.check) for finding in findings)
    levels = max(len(finding.level.value) for finding in findings)
    lines = []
    for finding in findings:
        head = f'{finding.check:{checks}}  {finding.level.value:{levels}}  '
        rest = ' ' * len(head)
        told = [(head, rest, f'{finding.found} [{finding.source}]')]
        if finding.remedy:
            told.append((f'{rest}-> ', f'{rest}   ', finding.remedy))
        for first, further, text in told:
            lines += textwrap.wrap(
                text, width, initial_indent=first, subsequent_indent=further,
                break_long_words=False, break_on_hyphens=False)
    counts = ', '.join(f'{sum(finding.level.value == level for finding in findings)} {level}'
                       for level in ('error', 'warning', 'ok', 'skipped'))
    verdict = ('something keeps the node from running well' if any(
        finding.level.value == 'error' for finding in findings)
        else 'nothing keeps the node from running well')
    return '\n'.join([*lines, '', f'{verdict}: {counts}'])


def _content(asked: dict[str, Any], status: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what docs/doctor.md describes."""
    return {'version': VERSION, 'status': status, 'asked': asked,
            'findings': [{'check': finding.check, 'level': finding.level.value,
                          'found': finding.found, 'source': finding.source,
                          'remedy': finding.remedy} for finding in findings]}


def _take_parameters(args: argparse.Namespace) -> None:
    """
    Let options that are as they come be what a parameter file says.

    :raises ValueError: the file cannot be used, or a value is of another type than the option's.
    """
    from frm_perception.runtime.parameter_file import read_parameter_file
    values = read_parameter_file(args.params, args.node)
    for name, default in args.parameters.items():
        value = values.get(name, default)
        if type(value) is not type(default):
            raise ValueError(f'{args.params}: {name} is {value!r}; it must be '
                             f'{type(default).__name__}')
        if getattr(args, name) == default:
            setattr(args, name, value)


def _bundle(args: argparse.Namespace) -> Bundle:
    from frm_perception.runtime.bundle import find_bundle
    if args.model_dir and not args.model:
        return find_bundle(Path(args.model_dir).expanduser(), args.backbone, args.precision)
    return chosen_bundle(args)
