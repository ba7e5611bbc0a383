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
"""`frm engine`: engines that are built ahead of their first use."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle
from frm_perception.cli.model_arguments import engine_cache
from frm_perception.cli.model_arguments import load_segmenter


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser('engine', help='build engines ahead of their first use')
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    build = kinds.add_parser(
        'build', help='build an engine into the cache, where node and commands find it',
        description='Builds what a provider makes of a model, which takes TensorRT minutes, and '
                    'keeps it in the engine cache. A node, or a command, that is given the same '
                    'model, resolution, precision, provider and threads then starts with it.')
    add_model_arguments(build)
    build.set_defaults(run=run_build)


def run_build(args: argparse.Namespace) -> int:
    """Build; 0 if the engine is there, 1 if it was not kept, 2 if the options make no sense."""
    from frm_perception.runtime.build_ahead import build_ahead
    from frm_perception.runtime.engines import EngineError
    log = partial(print, 'frm engine:', file=sys.stderr, flush=True)
    cache = engine_cache(args)
    if cache is None:
        return 1
    try:
        bundle = chosen_bundle(args)
        done = build_ahead(lambda kept: load_segmenter(bundle, args, kept), cache, log)
    except (ValueError, EngineError, FileNotFoundError) as error:
        log(error)
        return 2
    return 0 if done else 1
