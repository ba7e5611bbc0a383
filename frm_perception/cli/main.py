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
"""`frm`: everything of the package that needs no running ROS node, as one command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

SUBCOMMANDS = ('segment', 'evaluate', 'bag', 'engine', 'doctor', 'health', 'model', 'demo',
               'benchmark', 'networks', 'train', 'export', 'quantize')
"""Modules beside this one; each has ``add_parser(subparsers)`` and ``run(args) -> int``."""

_RUN = 'pip install -r requirements/run.txt'
_TRAIN = 'pip install -r requirements/train.txt'
_CLUSTER = 'pip install -r requirements/cluster.txt'
_ROS = ('source a ROS 2 installation (source /opt/ros/jazzy/setup.bash), or '
        'pip install -r requirements/ros-wheels.txt')
_INSTALL = {
    **dict.fromkeys(('backports', 'cv2', 'jinja2', 'lz4', 'mcap', 'numpy', 'onnxruntime',
                     'rosbags', 'tqdm', 'yaml'), _RUN),
    **dict.fromkeys(('ai_edge_litert', 'onnx', 'onnxscript', 'openvino', 'tensorboardX',
                     'torch'), _TRAIN),
    **dict.fromkeys(('cryptography', 'dask', 'distributed'), _CLUSTER),
    'rclpy': _ROS,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit status."""
    parser = argparse.ArgumentParser(
        prog='frm', description='Semantic segmentation of roads, for vehicles and ROS 2.')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in SUBCOMMANDS:
        import_module(f'frm_perception.cli.{name}').add_parser(subparsers)
    args = parser.parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        package = (error.name or '').partition('.')[0]
        if package == 'frm_perception':
            raise
        print(f'frm {args.command}: the Python package {package!r} is missing: '
              f'{_how_to_install(package)}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\nfrm {args.command}: interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who read the output, such as `head`, has enough of it. What is left must not be written
        # when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _how_to_install(package: str) -> str:
    if package.endswith(('_msgs', '_interfaces')):
        return _ROS
    return _INSTALL.get(package, f'pip install {package}')


if __name__ == '__main__':
    sys.exit(main())
