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
"""What a node holds while it is inactive, where it is not to hold an engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from diagnostic_msgs.msg import DiagnosticStatus
from node_process import DEEP
from node_process import RELIABLE
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from onnx import numpy_helper
from tiny_bundle import manifest
from tiny_bundle import tiny_model
from tiny_bundle import write_bundle

RED = np.full((40, 60, 3), (255, 0, 0), np.uint8)
BALLAST_MIB = 16


def write_heavy_bundle(models: Path) -> None:
    """Write the tiny bundle with weights that are large and that it cannot do without."""
    model = onnx.load_from_string(tiny_model())
    last = model.graph.node[-1]
    last.output[0] = 'sums'
    side = BALLAST_MIB * 2 ** 20 // 4
    # Zeros, of which an index that the image decides picks one: nothing folds them away.
    model.graph.initializer.append(numpy_helper.from_array(
        np.zeros(side, np.float32), 'ballast'))
    model.graph.node.extend([
        onnx.helper.make_node('ReduceMax', ['planes'], ['brightest'], keepdims=0),
        onnx.helper.make_node('Cast', ['brightest'], ['index'], to=onnx.TensorProto.INT64),
        onnx.helper.make_node('Gather', ['ballast', 'index'], ['nothing']),
        onnx.helper.make_node('Add', ['sums', 'nothing'], ['logits'])])
    data = model.SerializeToString()
    write_bundle(models, manifest(data), data)


def test_an_engine_that_deactivate_frees_is_built_again_by_activate(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, free_on_deactivate=True,
            overrides={'camera/image_raw': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure')
        with node.camera('camera', qos=DEEP) as camera:
            for answered in ('1', '2'):
                assert node.change_state('activate')
                camera.connected()
                assert (camera.ask(image_message(RED, 'rgb8'))[1] == 255).all()
                diagnostics.status_where('camera', answered=answered)  # the counts go on
                assert node.change_state('deactivate')
                _, engine = diagnostics.status_where('engine', state='inactive')
                assert 'model' not in engine
                camera.disconnected()
        assert node.log().count('loaded tiny') == 2  # by configure and the second activate
        assert node.change_state('cleanup')


def test_an_activate_that_cannot_build_it_leaves_the_node_inactive_until_the_cause_is_mended(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, free_on_deactivate=True) as node, \
            Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate')
        assert node.change_state('deactivate')
        assert node.set_parameter('model_dir', str(tmp_path / 'nothing')) == ''
        assert not node.change_state('activate')
        assert node.state() == 'inactive'
        wait_until(lambda: f'activate failed: no folder of models at {tmp_path}' in node.log(),
                   'the reason')
        status, values = diagnostics.next_status('engine')
        assert status.level == DiagnosticStatus.ERROR
        assert status.message.startswith(f'activate failed: no folder of models at {tmp_path}')
        assert values['problem'].startswith(status.message)
        assert node.set_parameter('model_dir', str(models)) == ''
        assert node.change_state('activate')
        status, values = diagnostics.status_where('engine', state='active', problem='')
        assert status.level == DiagnosticStatus.OK


def test_what_deactivate_frees_is_the_memory_of_the_engine(probe: Probe, tmp_path: Path) -> None:
    write_heavy_bundle(tmp_path / 'models')
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=tmp_path / 'models'
    ) as node, Diagnostics(probe, node) as diagnostics:
        def held() -> float:
            return float(diagnostics.status_where('engine', state='inactive')[1]['memory_mib'])

        assert node.change_state('configure') and node.change_state('activate')
        assert node.change_state('deactivate')
        loaded = held()
        assert node.change_state('activate')
        assert node.set_parameter('free_on_deactivate', True) == ''
        assert node.change_state('deactivate')
        wait_until(lambda: held() < loaded - BALLAST_MIB / 2, 'memory to be given back')
