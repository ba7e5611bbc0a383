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
"""From parameters to a loaded segmenter, for configure, for changes and for building ahead."""

from __future__ import annotations

from pathlib import Path

from rclpy.impl.rcutils_logger import RcutilsLogger

from frm_perception.ros.parameters import EngineParameters
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.engine_cache import EngineCache
from frm_perception.runtime.engines import check_provider
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.share import share_folder


def find_model(asked: EngineParameters) -> Bundle:
    """
    Choose the model, and refuse what can be seen not to be possible without loading it.

    :raises ValueError: there is no such model, or it has no such precision, its resolution does
        not fit, it has no such class, or the provider cannot compute in the precision or has no
        such DLA.
    :raises OSError: a folder cannot be read, or no models came with the package.
    """
    models = Path(asked.model_dir).expanduser() if asked.model_dir else share_folder('models')
    bundle = find_bundle(models, asked.backbone, asked.precision)
    parse_resolution(asked.resolution, bundle)
    bundle.label_space.drivable_lut(asked.drivable_classes)
    check_provider(asked.provider, asked.precision, asked.dla_core)
    return bundle


def load_segmenter(asked: EngineParameters, cache: EngineCache | None,
                   logger: RcutilsLogger) -> Segmenter:
    """
    Load the model and prove it with an inference; log what really runs.

    :param cache: where built engines are kept.
    :raises ValueError: there is no such model, or it is damaged, or does not fit a parameter.
    :raises FileNotFoundError: no models came with the package.
    :raises EngineError: the model does not run, or not on what ``require_provider`` demands.
    """
    bundle = find_model(asked)
    segmenter = Segmenter.load(
        bundle, resolution=asked.resolution, precision=asked.precision, provider=asked.provider,
        require_provider=asked.require_provider, threads=asked.threads,
        drivable_classes=asked.drivable_classes, fit=asked.fit, cache=cache,
        max_batch=asked.max_batch, waiting=len(asked.cameras), dla_core=asked.dla_core,
        max_gpu_memory_mib=asked.max_gpu_memory_mib)
    info = segmenter.info
    if info.fallback is not None:
        logger.warning(info.fallback)
    if info.note is not None:
        logger.info(info.note)
    if info.batch_note is not None:
        logger.info(info.batch_note)
    if info.kernels_note is not None:
        logger.warning(info.kernels_note)
    height, width = info.resolution
    kept = ''
    if cache is not None and cache.outcome != 'unused':
        kept = f' (engine cache: {cache.outcome})'
    logger.info(
        f'loaded {bundle.name} ({info.network}, {info.backbone}) from {bundle.folder}: '
        f'{info.precision} at {height}x{width} (height x width) on {info.provider}{kept}, which '
        f'computes in {info.precision_run}, with {info.threads} threads; '
        f'images are fitted by {info.fit}, labels computed by {info.kernels}')
    return segmenter
