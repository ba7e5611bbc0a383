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
from pathlib import Path
from typing import Any

from frm_perception.cli.arguments import count
from frm_perception.cli.model_arguments import add_model_arguments
from frm_perception.cli.model_arguments import chosen_bundle
from frm_perception.cli.model_arguments import engine_cache
from frm_perception.cli.model_arguments import load_segmenter


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser('engine', help='build engines ahead of their first use')
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    build = kinds.add_parser(
        'build', help='build engines into the cache, where node and commands find them',
        description='Builds what a provider makes of a model, which takes TensorRT minutes, and '
                    'keeps it in the engine cache. A node, or a command, that is given the same '
                    'model, resolution, precision, provider and threads then starts with it. With '
                    '--params it is all that a node with these parameters needs, which takes ROS.')
    add_model_arguments(build)
    build.add_argument('--dla-core', type=int, choices=(-1, 0, 1), default=-1,
                       help="core of a Jetson's DLA, for TensorRT and fp16; -1 is none (default)")
    build.add_argument('--max-gpu-memory-mib', type=count, default=0, metavar='MIB',
                       help='most GPU memory that TensorRT works in (default: no limit)')
    build.add_argument('--params', type=Path, metavar='FILE',
                       help="YAML file with the node's parameters, in place of all other options")
    build.set_defaults(run=partial(run_build, build))


def run_build(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Build; 0 if all is there, 1 if something was not kept, 2 if the options make no sense."""
    if args.params:
        return _build_for_node(parser, args)
    from frm_perception.runtime.build_ahead import build_ahead
    from frm_perception.runtime.engines import EngineError
    log = partial(print, 'frm engine:', file=sys.stderr, flush=True)
    cache = engine_cache(args)
    if cache is None:
        return 1
    try:
        bundle = chosen_bundle(args)
        done = build_ahead(
            lambda kept: load_segmenter(
                bundle, args, kept, args.dla_core, args.max_gpu_memory_mib), cache, log)
    except (ValueError, EngineError, FileNotFoundError) as error:
        log(error)
        return 2
    return 0 if done else 1


def _build_for_node(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Let the node's own program build, which reads the file as the node does."""
    from frm_perception.ros.segmenter import main
    defaults = vars(parser.parse_args([]))
    others = [f'--{name.replace("_", "-")}' for name, default in defaults.items()
              if name != 'params' and getattr(args, name) != default]
    if others:
        print(f'frm engine: {", ".join(others)} cannot be beside --params, whose file says all',
              file=sys.stderr)
        return 2
    return main(['segmenter', '--build-only', '--ros-args', '--params-file', str(args.params)])
