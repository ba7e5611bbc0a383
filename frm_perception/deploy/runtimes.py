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
"""
Models on the CPU in the runtimes whose speed is compared.

Each is loaded by a function of a model, an image and a number of threads, which returns a function
that runs it once. What a runtime holds, its threads too, goes with that function.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from frm_perception.networks.cost import Cost
from frm_perception.runtime.engines.onnx_profile import node_events
from frm_perception.runtime.engines.onnx_runtime import load_onnxruntime
from frm_perception.runtime.engines.openvino import openvino_core

Infer = Callable[[], NDArray[Any]]
"""Runs a loaded model once."""

Load = Callable[[], Infer]

ONNX_RUNTIME = 'ONNX Runtime'
OPENVINO = 'OpenVINO'
LITERT = 'LiteRT'

PACKAGES = ('onnxruntime', 'openvino', 'ai-edge-litert')
"""The distributions that they are in."""

_CPU = 'CPUExecutionProvider'
_PROFILED_RUNS = 3


@dataclass(frozen=True)
class Subject:
    """
    A network whose speed is to be measured.

    :param size: (height, width) of its input.
    :param precision: what it computes in, such as 'fp32'.
    :param operators: share of each kind of operator in ONNX Runtime's time, the largest first;
        empty where ONNX Runtime does not run it.
    :param disagreement: how far ONNX Runtime and OpenVINO are apart, or None.
    :param runtimes: how to load it, for each runtime that can.
    """

    name: str
    size: tuple[int, int]
    precision: str
    cost: Cost
    operators: dict[str, float]
    disagreement: float | None
    runtimes: dict[str, Load]


def onnx_runtime(model: Path | bytes, image: NDArray[Any], threads: int,
                 provider: str = _CPU) -> Infer:
    """
    Load an ONNX file or its bytes into ONNX Runtime.

    :param provider: ONNX Runtime's name; what it cannot run runs on the CPU.
    """
    session = _session(model, threads, None, provider)
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})[0]


def openvino(model: Any, image: NDArray[Any], threads: int, precision: str = 'f32') -> Infer:
    """
    Load a model into OpenVINO.

    :param model: an ONNX file or its bytes, or an ``openvino.Model``.
    :param precision: 'f32' or 'bf16'; left alone, it takes bfloat16 on a processor that has it.
    """
    core = openvino_core()
    if isinstance(model, bytes):
        model = core.read_model(model)
    compiled = core.compile_model(model, 'CPU', {
        'PERFORMANCE_HINT': 'LATENCY', 'NUM_STREAMS': 1, 'INFERENCE_NUM_THREADS': threads,
        'INFERENCE_PRECISION_HINT': precision})
    request = compiled.create_infer_request()
    # As in ONNX Runtime: the input is read where it lies, the output is the caller's.
    return lambda: request.infer([image], share_inputs=True)[0]


def litert(model: Path, image: NDArray[Any], threads: int) -> Infer:
    """Load a TFLite file into LiteRT."""
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(str(model), num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]['index']
    result = interpreter.get_output_details()[0]['index']

    def infer() -> NDArray[Any]:
        interpreter.set_tensor(source, image)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return infer


def operator_shares(model: Path, image: NDArray[Any], threads: int) -> dict[str, float]:
    """
    Return the share of each kind of operator in ONNX Runtime's time, the largest first.

    Convolutions are told apart by their kernel, such as 'Conv 3x3' or 'depthwise Conv 7x7'. What
    ONNX Runtime fuses into another operator (activations, additions) counts as that one.
    """
    with tempfile.TemporaryDirectory(prefix='frm-profile-') as folder:
        session = _session(model, threads, f'{folder}/run', _CPU)
        for _ in range(_PROFILED_RUNS):
            session.run(None, {'image': image})
        events = node_events(Path(session.end_profiling()))
    time: Counter[str] = Counter()
    # The first run finds memory to work in, which costs time that later ones do not need.
    for event in events[len(events) // _PROFILED_RUNS:]:
        time[_kind(event['args'])] += event['dur']
    return {kind: spent / time.total() for kind, spent in time.most_common()}


def _session(model: Path | bytes, threads: int, profile: str | None, provider: str) -> Any:
    runtime = load_onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    providers = [provider] if provider == _CPU else [provider, _CPU]
    return runtime.InferenceSession(model, options, providers=providers)


def _kind(node: dict[str, Any]) -> str:
    operator: str = node['op_name']
    if operator not in ('Conv', 'FusedConv'):
        return operator
    image, weights = (next(iter(tensor.values())) for tensor in node['input_type_shape'][:2])
    depthwise = weights[1] == 1 < image[1]
    return f'{"depthwise " if depthwise else ""}Conv {weights[2]}x{weights[3]}'
