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
"""Choosing a model and how it runs: what several commands have in common."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.engine_cache import EngineCache
    from frm_perception.runtime.segmenter import Segmenter


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what :func:`chosen_bundle` and :func:`load_segmenter` read."""
    parser.add_argument('--model', default='', metavar='FOLDER_OR_NAME',
                        help='a model bundle, or its name among the packaged ones')
    parser.add_argument('--backbone', default='auto',
                        help='take the packaged model with this backbone (default: %(default)s)')
    parser.add_argument('--resolution', default='auto', metavar='HEIGHTxWIDTH',
                        help="the network's input, e.g. 384x640 (default: the model's own)")
    parser.add_argument('--fit', default='letterbox', metavar='HOW',
                        help='letterbox, stretch or crop images of another shape than the '
                             "network's input (default: %(default)s)")
    parser.add_argument('--precision', default='fp32',
                        help='bf16 is computed by OpenVINO alone (default: %(default)s)')
    parser.add_argument('--provider', default='auto',
                        help='auto, cpu, cuda, tensorrt, openvino or torch (default: '
                             '%(default)s)')
    parser.add_argument('--require-provider', action='store_true',
                        help='fail, rather than warn, where the work is done by another provider, '
                             'or in another precision')
    parser.add_argument('--threads', type=int, default=0, metavar='N',
                        help='threads of the network; 0 is every core of one or two, and three '
                             'quarters of more (default)')
    parser.add_argument('--engine-cache', default='', metavar='FOLDER',
                        help='where built engines are kept (default: frm_perception/engines in '
                             '$XDG_CACHE_HOME or ~/.cache)')


def chosen_bundle(args: argparse.Namespace) -> Bundle:
    """
    Return the bundle that the arguments mean; its model is not loaded yet.

    :raises BundleError: there is none, or it is damaged.
    :raises FileNotFoundError: no packaged models.
    """
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.bundle import BundleError
    from frm_perception.runtime.bundle import find_bundle
    from frm_perception.runtime.share import share_folder
    if not args.model:
        return find_bundle(share_folder('models'), args.backbone, args.precision)
    if args.backbone != 'auto':
        raise BundleError('give --model or --backbone, not both')
    named = Path(args.model)
    if named.is_dir() or named.name != args.model:
        return Bundle.load(named)
    models = share_folder('models')
    if (models / named).is_dir():
        return Bundle.load(models / named)
    there = ', '.join(sorted(file.parent.name for file in models.glob('*/model.yaml')))
    raise BundleError(f'no model {args.model!r}: it is neither a folder nor one of those in '
                      f'{models}: {there or "none"}')


def engine_cache(args: argparse.Namespace) -> EngineCache | None:
    """Return the cache of built engines, whose complaints go to stderr; None without a home."""
    from frm_perception.runtime.engine_cache import open_cache
    return open_cache(args.engine_cache, lambda line: print(
        f'frm {args.command}: warning: {line}', file=sys.stderr, flush=True))


def load_segmenter(bundle: Bundle, args: argparse.Namespace, cache: EngineCache | None,
                   dla_core: int = -1, max_gpu_memory_mib: int = 0) -> Segmenter:
    """
    Load a bundle as the arguments say; what does not run as asked is said on stderr.

    :param cache: where built engines are kept.
    :param dla_core: and max_gpu_memory_mib, see
        :class:`~frm_perception.runtime.engines.EngineOptions`.
    :raises ValueError: a value that is not possible, or a damaged model.
    :raises EngineError: the model does not run.
    """
    from frm_perception.runtime.segmenter import Segmenter
    segmenter = Segmenter.load(
        bundle, resolution=args.resolution, precision=args.precision, provider=args.provider,
        require_provider=args.require_provider, threads=args.threads, fit=args.fit, cache=cache,
        dla_core=dla_core, max_gpu_memory_mib=max_gpu_memory_mib)
    if segmenter.info.fallback:
        print(f'frm {args.command}: warning: {segmenter.info.fallback}', file=sys.stderr)
    if segmenter.info.note:
        print(f'frm {args.command}: {segmenter.info.note}', file=sys.stderr)
    if segmenter.info.kernels_note:
        print(f'frm {args.command}: warning: {segmenter.info.kernels_note}', file=sys.stderr)
    return segmenter
