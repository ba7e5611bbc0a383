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
"""``frm benchmark --device-report``: what a computer makes of the shipped models, to send us."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from frm_perception.cli.arguments import image_size
from frm_perception.cli.arguments import positive
from frm_perception.cli.benchmark_run import add_bundle_argument
from frm_perception.cli.model_arguments import chosen_bundle

if TYPE_CHECKING:
    from frm_perception.evaluation.variant import Variant
    from frm_perception.runtime.bundle import Bundle

OPTION = '--device-report'
_PROVIDERS = ('cpu', 'openvino', 'cuda', 'tensorrt', 'torch')
_SIZE = (512, 1024)


def device_parser() -> argparse.ArgumentParser:
    """Return the parser of what follows :data:`OPTION`."""
    parser = argparse.ArgumentParser(
        prog=f'frm benchmark {OPTION}',
        description='Times whole frames of the shipped models in every engine that runs here, '
                    'compares their labels with those of fp32 on the CPU, and lets the best work '
                    'without a pause while it watches temperature, clocks and throttling. Nothing '
                    'else should run meanwhile. Ctrl-C ends it with what was measured. The file '
                    'names neither the computer in its network, nor users, folders or serial '
                    'numbers; docs/devices.md says where to send it. On a Jetson: --sustained '
                    '600.')
    parser.add_argument('--json', type=Path, default=Path('device-report.json'), metavar='FILE',
                        help='where the report is written (default: %(default)s)')
    add_bundle_argument(parser)
    parser.add_argument('--providers', nargs='+', choices=_PROVIDERS, default=_PROVIDERS,
                        help='default: each that runs here')
    parser.add_argument('--precisions', nargs='+', default=[], metavar='NAME',
                        help='default: all that a model has')
    parser.add_argument('--sizes', nargs='+', type=image_size, default=[], metavar='HEIGHTxWIDTH',
                        help="of the network's input (default: each model's own, and 512x1024)")
    parser.add_argument('--camera', type=image_size, default=(1080, 1920), metavar='HEIGHTxWIDTH',
                        help='size of the images, which are rendered (default: 1080x1920)')
    parser.add_argument('--threads', type=int, default=0, metavar='N',
                        help='of the network; 0 is every core of one or two, and three quarters '
                             'of more (default)')
    parser.add_argument('--seconds', type=positive, default=3.0, metavar='N',
                        help='least time of each variant (default: %(default)g)')
    parser.add_argument('--sustained', type=positive, default=60.0, metavar='N',
                        help='seconds that the best one works without a pause (default: '
                             '%(default)g)')
    parser.add_argument('--engine-cache', default='', metavar='FOLDER',
                        help='where built engines are kept (default: frm_perception/engines in '
                             '$XDG_CACHE_HOME or ~/.cache)')
    parser.set_defaults(run=run, command='benchmark', kind='device', backbone='auto',
                        precision='fp32')
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure, write the report and print it; 1 if nothing runs, 130 if it was interrupted."""
    from frm_perception.evaluation.device import report
    from frm_perception.evaluation.device.measure import Plan
    from frm_perception.evaluation.device.measure import measure
    from frm_perception.media.files import write_json
    from frm_perception.runtime.engines import EngineError
    log = partial(print, 'frm benchmark:', file=sys.stderr, flush=True)
    try:
        plan = Plan(_variants(args), args.camera, args.seconds, args.sustained, args.engine_cache)
        results = measure(plan, log)
        write_json(args.json, results)
    except (ValueError, EngineError, OSError) as error:
        log(error)
        return 2 if isinstance(error, ValueError) else 1
    print(f'{report.description(results)}\n\n{report.table(results)}')
    log(f'the report is in {args.json}')
    if results['interrupted']:
        return 130
    return 0 if results['variants'] else 1


def _variants(args: argparse.Namespace) -> list[Variant]:
    """
    Return what is to be tried, the default model at its own size first.

    :raises ValueError: a precision, provider or size that cannot be.
    """
    from frm_perception.evaluation.variant import variants
    from frm_perception.runtime.bundle import parse_resolution
    from frm_perception.runtime.threads import thread_count
    thread_count(args.threads)
    found = []
    for bundle in _bundles(args):
        sizes = args.sizes or list(dict.fromkeys((bundle.input.default, _SIZE)))
        for height, width in sizes:
            parse_resolution(f'{height}x{width}', bundle)
        found += variants(bundle, args.providers, args.precisions, sizes,
                          args.threads)
    return found


def _bundles(args: argparse.Namespace) -> list[Bundle]:
    """Return the model that was named, or those that came with the package, the default first."""
    from frm_perception.runtime.bundle import Bundle
    first = chosen_bundle(args)
    if args.model:
        return [first]
    others = [Bundle.load(file.parent) for file in sorted(first.folder.parent.glob('*/model.yaml'))
              if file.parent != first.folder]
    return [first, *others]
