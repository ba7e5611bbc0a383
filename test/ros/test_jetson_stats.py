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
What jetson-stats tells of a Jetson, in the node's diagnostics.

jetson-stats runs on a Jetson alone. A module ``jtop`` stands in for it, with what its reference
(https://rnext.it/jetson_stats/reference/jtop.html) says of it; node, processes and DDS are real.
"""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess

from frm_perception.ros.jetson_stats import read_values

JTOP = """
import threading, time
from types import SimpleNamespace

class JtopException(Exception):
    pass

class jtop:
    temperature = {'CPU': {'online': True, 'temp': 52.343}, 'GPU': {'temp': 50.1},
                   'CV0': {'online': False, 'temp': -256}}
    gpu = {'ga10b': {'status': {'load': 37.5}}}
    power = {'tot': {'power': 7421}, 'rail': {}}
    nvpmodel = SimpleNamespace(name='MAXN_SUPER', id=2)

    def __init__(self, interval):
        self.interval = interval

    def __enter__(self):
        WHAT
        return self

    def __exit__(self, kind, value, trace):
        return trace is None

    def ok(self):
        time.sleep(0.01)
        return True
"""
READ = ('gpu_load_percent', 'hottest_c', 'temperatures_c', 'power_mode', 'power_w')


@pytest.fixture
def jtop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the module's file, which processes to come import."""
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(
        filter(None, [str(tmp_path), str(root), os.environ.get('PYTHONPATH', '')])))
    return tmp_path / 'jtop.py'


def test_temperature_power_mode_and_load_are_in_the_diagnostics(
        probe: Probe, models: Path, tmp_path: Path, jtop: Path) -> None:
    jtop.write_text(JTOP.replace('WHAT', 'pass'))
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node, \
            Diagnostics(probe, node) as diagnostics:
        _, values = diagnostics.status_where('engine', jetson_stats='read')
        assert [values[key] for key in READ] == ['37.5', '52.3', 'CPU 52.3, GPU 50.1',
                                                 'MAXN_SUPER', '7.4']


@pytest.mark.parametrize(('what', 'state'), [
    ("raise JtopException('The jtop.service is not active.\\nPlease run: sudo jtop')",
     'The jtop.service is not active. Please run: sudo jtop'),
    ('threading.Event().wait()', 'waiting for jtop.service')])
def test_a_service_that_is_down_or_hangs_costs_the_node_nothing(
        probe: Probe, models: Path, tmp_path: Path, jtop: Path, what: str, state: str) -> None:
    jtop.write_text(JTOP.replace('WHAT', what))
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, threads=1) as node, \
            Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure')
        _, values = diagnostics.status_where('engine', state='inactive', jetson_stats=state)
        assert not values.keys() & set(READ)
        node.stop()
        assert node.process.returncode == 0


def test_a_module_that_cannot_be_imported_is_said_to_be_that(
        probe: Probe, models: Path, tmp_path: Path, jtop: Path) -> None:
    jtop.write_text("raise RuntimeError('this is no Jetson')")
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node, \
            Diagnostics(probe, node) as diagnostics:
        diagnostics.status_where('engine', jetson_stats='cannot be imported: this is no Jetson')


@pytest.mark.skipif(find_spec('jtop') is not None, reason='jetson-stats is installed')
def test_without_it_one_value_says_so(probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models) as node, \
            Diagnostics(probe, node) as diagnostics:
        _, values = diagnostics.next_status('engine')
        assert values['jetson_stats'] == 'not installed' and not values.keys() & set(READ)


ANYTHING: Any = strategies.recursive(
    strategies.none() | strategies.floats() | strategies.text(max_size=3) | strategies.integers()
    | strategies.just(10 ** 400),
    lambda inner: strategies.lists(inner, max_size=2) | strategies.dictionaries(
        strategies.sampled_from(['temp', 'status', 'load', 'tot', 'power', 'x']), inner,
        max_size=3), max_leaves=8)


@given(temperature=ANYTHING, gpu=ANYTHING, power=ANYTHING, nvpmodel=ANYTHING)
def test_whatever_a_board_tells_is_a_value_or_unknown(
        temperature: Any, gpu: Any, power: Any, nvpmodel: Any) -> None:
    found = read_values(SimpleNamespace(
        temperature=temperature, gpu=gpu, power=power, nvpmodel=nvpmodel))
    assert tuple(found) == READ
    for value in found.values():
        assert value is None or isinstance(value, str) or math.isfinite(value)
