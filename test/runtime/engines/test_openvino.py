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
"""OpenVINO: that it computes in the precision that was asked for, or says that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_bundle
from tiny_bundle import tiny_model

from frm_perception.runtime import processor
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import ProviderError
from frm_perception.runtime.engines import openvino as engine_module
from frm_perception.runtime.engines.openvino import OpenVinoEngine

# OpenVINO takes bf16 by itself here, so that fp32 has to be proved and not only hoped for.
CAPABILITIES = engine_module.openvino_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
BF16 = 'BF16' in CAPABILITIES and engine_module._has_bf16_instructions()
needs_bf16 = pytest.mark.skipif(not BF16, reason='this processor does not compute in bf16')


def load(precision: str, **options: Any) -> OpenVinoEngine:
    """Return an engine of the tiny model."""
    return OpenVinoEngine(tiny_model(), 'fp32.onnx',
                          EngineOptions('openvino', precision, **options))


def noise() -> np.ndarray:
    """Return a batch of one."""
    return np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)


def test_fp32_is_computed_in_fp32_where_openvino_alone_would_take_less() -> None:
    engine = load('fp32', require_provider=True)
    assert (engine.provider, engine.precision, engine.fallback) == ('openvino', 'fp32', None)


@needs_bf16
def test_bf16_is_computed_in_bf16_and_shows_in_the_values() -> None:
    engine = load('bf16', require_provider=True)
    assert (engine.precision, engine.fallback) == ('bf16', None)
    exact, rounded = load('fp32').infer(noise()), engine.infer(noise())
    assert rounded.dtype == np.float32
    apart = np.abs(exact - rounded).max()
    # bf16 has 8 bits of mantissa, fp32 24.
    assert 1e-4 < apart < 0.05


@pytest.fixture
def processor_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processor's flags be those of one with AVX-512 and without bf16."""
    file = tmp_path / 'cpuinfo'
    file.write_text('processor : 0\nflags : fpu sse4_2 avx2 avx512f avx512_vnni\n')
    monkeypatch.setattr(processor, '_CPUINFO', file)


@pytest.mark.usefixtures('processor_without')
def test_a_processor_that_would_have_to_emulate_bf16_computes_fp32_and_it_is_said() -> None:
    engine = load('bf16')
    assert engine.precision == 'fp32' and engine.fallback is not None
    assert 'precision bf16 was asked for' in engine.fallback
    assert 'no instructions for bf16 (amx_bf16, avx512_bf16, avx_ne_convert)' in engine.fallback
    assert np.array_equal(engine.infer(noise()), load('fp32').infer(noise()))


@pytest.mark.usefixtures('processor_without')
def test_a_processor_without_bf16_is_refused_where_it_is_required() -> None:
    with pytest.raises(ProviderError, match='no instructions for bf16'):
        load('bf16', require_provider=True)


def test_half_precision_is_not_replaced_by_bf16_in_silence() -> None:
    engine = load('fp16')
    if engine.precision != 'fp16':
        assert engine.precision == 'fp32' and engine.fallback is not None
        assert 'no instructions for fp16' in engine.fallback


def test_any_size_and_number_of_images_is_taken() -> None:
    engine = load('fp32')
    assert engine.infer(np.zeros((2, 96, 128, 3), np.uint8)).shape == (2, 4, 24, 32)


def test_importing_openvino_sends_nothing() -> None:
    # A process of its own: in this one openvino is imported already.
    program = (
        'import sys\n'
        'from frm_perception.runtime.engines.openvino import openvino_core\n'
        'assert openvino_core().available_devices\n'
        'from openvino.tools.ovc import telemetry_utils\n'
        'assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"\n'
        'assert "openvino_telemetry" not in sys.modules\n')
    subprocess.run([sys.executable, '-c', program], check=True)


@pytest.mark.parametrize('end', [
    'first = load(); second = load(); first.close(); del first; second.close(); del second',
    'engines = [load()]; end = Thread(target=engines.clear); end.start(); end.join()',
], ids=['the older first', 'by another thread'])
def test_signals_are_handled_after_engines_were_replaced(end: str) -> None:
    # A process of its own: it would die.
    program = (
        'import os, signal\n'
        'from threading import Thread\n'
        'from tiny_bundle import tiny_model\n'
        'from frm_perception.runtime.engines import EngineOptions\n'
        'from frm_perception.runtime.engines.openvino import OpenVinoEngine\n'
        'def load():\n'
        '    return OpenVinoEngine(tiny_model(), "fp32.onnx", EngineOptions("openvino"))\n'
        'signal.signal(signal.SIGUSR1, lambda number, frame: print("heard"))\n'
        f'{end}\n'
        'os.kill(os.getpid(), signal.SIGUSR1)\n')
    environment = {**os.environ, 'PYTHONPATH': str(Path(tiny_bundle.__file__).parent)}
    ended = subprocess.run([sys.executable, '-c', program], env=environment, capture_output=True,
                           text=True, check=True)
    assert ended.stdout == 'heard\n'
