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
"""What an engine of TensorRT depends on; not run by the authors where there is a TensorRT."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from frm_perception.runtime.engine_cache import EngineKey
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.provider_options import provider_options
from frm_perception.runtime.nvidia import gpu_properties
from frm_perception.runtime.nvidia import tensorrt_version

TF32 = 'NVIDIA_TF32_OVERRIDE'
"""Environment variable that all of NVIDIA's libraries heed; '0' keeps fp32 from being TF32."""


def tensorrt_key(runtime: Any, model: bytes, options: EngineOptions) -> EngineKey:
    """
    Return the key of the engine that ONNX Runtime's TensorRT makes of a model.

    :param runtime: the module ``onnxruntime``.
    :raises OSError: the GPU or the version of TensorRT cannot be found out.
    """
    # Where the engine is kept does not change it, nor whether its kernels become one CUDA graph.
    given = provider_options('tensorrt', options, graph=False, cache=None)
    return EngineKey(
        engine='onnxruntime-tensorrt', model=hashlib.sha256(model).hexdigest(),
        shapes={'input': (1, *options.size, 3)}, precision=options.precision,
        options={**given, TF32: os.environ.get(TF32, '0')},
        versions={'onnxruntime': runtime.__version__, 'cuda': runtime.cuda_version,
                  'tensorrt': tensorrt_version(runtime)},
        device=gpu_properties())
