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
"""What ONNX Runtime's profile of an inference tells: who ran which node, and in what precision."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frm_perception.runtime.engines.engine import EngineError
from frm_perception.runtime.engines.proof import UNTOLD
from frm_perception.runtime.engines.proof import Proof

EXECUTION_PROVIDERS = {
    'tensorrt': 'TensorrtExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'cpu': 'CPUExecutionProvider',
}
"""Name of a provider -> what ONNX Runtime calls it."""
NAMES = {full: name for name, full in EXECUTION_PROVIDERS.items()}
"""The same the other way round."""

_COMPILED = 'TRTKernel'
_HEAVY = ('Conv', 'MatMul', 'Gemm', _COMPILED)

_PRECISIONS = {'float': 'fp32', 'float16': 'fp16', 'bfloat16': 'bf16', 'uint8': 'int8',
               'int8': 'int8'}


def node_events(profile: Path) -> list[dict[str, Any]]:
    """Return every run of a node of the graph that ONNX Runtime's profile has, in order."""
    return [event for event in json.loads(profile.read_text(encoding='utf-8'))
            if event.get('cat') == 'Node' and 'provider' in event.get('args', {})]


def read_proof(profile: Path) -> Proof:
    """Count who ran the convolutions and matrix products, and in what precision."""
    nodes = [event['args'] for event in node_events(profile)]
    heavy = [node for node in nodes if any(part in node['op_name'] for part in _HEAVY)] or nodes
    if not heavy:
        raise EngineError("ONNX Runtime's profile of the first inference names no provider")
    return Proof(Counter(NAMES.get(node['provider'], node['provider']) for node in heavy),
                 Counter(_precision(node) for node in heavy))


def _precision(node: Mapping[str, Any]) -> str:
    """Return what a node computes in, which is the type of its first input."""
    if _COMPILED in node['op_name']:
        return UNTOLD
    # A list of shapes by type, one for each input: [{'float': [1, 3, 64, 64]}, ...].
    for tensor in node.get('input_type_shape', ()):
        dtype: str = next(iter(tensor))
        return _PRECISIONS.get(dtype, dtype)
    return 'unknown'
