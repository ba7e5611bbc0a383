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
"""``frm bag``: everything around recorded drives, each as a command of its own."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

ACTIONS = ('make', 'evaluate', 'replay', 'extract', 'compare', 'report')
"""Modules ``bag_...`` beside this one; each has ``add_parser(subparsers)``, ``run(args)``."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its actions."""
    parser = subparsers.add_parser(
        'bag', help='recorded drives: evaluate a model on them, and more')
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    for name in ACTIONS:
        import_module(f'frm_perception.cli.bag_{name}').add_parser(actions)
