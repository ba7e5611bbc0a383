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
"""One more precision for a bundle: calibrated, measured, and whole or not at all."""

import sys

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import write_bundle as write_tiny
from tiny_layers import layered_model

onnx = pytest.importorskip('onnx', reason='conversion needs onnx: requirements/train.txt')
torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')

from onnx import numpy_helper  # noqa: E402
from tiny_run import DRIVES  # noqa: E402
from tiny_run import tiny_config  # noqa: E402
from tiny_run import train_tiny  # noqa: E402
from tiny_run import write_drives  # noqa: E402

from frm_perception.deploy.accuracy_gate import DEFAULT_LIMITS  # noqa: E402
from frm_perception.deploy.accuracy_gate import GateError  # noqa: E402
from frm_perception.deploy.accuracy_gate import GateImages  # noqa: E402
from frm_perception.deploy.accuracy_gate import Limits  # noqa: E402
from frm_perception.deploy.add_precision import CalibrationImages  # noqa: E402
from frm_perception.deploy.add_precision import add_precision  # noqa: E402
from frm_perception.deploy.write_bundle import write_bundle  # noqa: E402
from frm_perception.evaluation.comparison import Comparison  # noqa: E402
from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.media.files import MediaError  # noqa: E402
from frm_perception.media.files import write_image  # noqa: E402
from frm_perception.media.frames import read_frames  # noqa: E402
from frm_perception.media.video import VideoWriter  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.engines import ProviderError  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402

RANDOM = np.random.default_rng(1)
SAME = Limits(0.999, 0.0, 0.0)


def _scene():
    """Return (96, 160) labels in blocks of 8: more than four pixels, so that scaling is exact."""
    return RANDOM.integers(0, 4, (12, 20), np.uint8).repeat(8, 0).repeat(8, 1)


def _layered(folder, wide=True):
    model = layered_model(wide)
    return write_tiny(folder / 'models', manifest(model), model)


def _calibration(folder):
    for index in range(4):
        write_image(folder / f'{index}.png', TINY.colors()[_scene()])
    return CalibrationImages(folder.name, read_frames(folder))


def _images():
    truths = [_scene() for _ in range(3)]
    return GateImages('blocks', 3, lambda: ((TINY.colors()[truth], truth) for truth in truths),
                      Comparison.between(TINY, TINY))


def _content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def _float_convolutions(model):
    graph = onnx.load_from_string(model).graph
    weights = {weight.name for weight in graph.initializer}
    return {node.input[1].removesuffix('.weight') for node in graph.node
            if node.op_type == 'Conv' and node.input[1] in weights}


def test_a_model_that_8_bits_suit_enters_the_bundle_with_its_figures(tmp_path):
    folder = _layered(tmp_path, wide=False)
    accuracy = add_precision(folder, 'int8', _images(), DEFAULT_LIMITS['int8'],
                             _calibration(tmp_path / 'frames'))
    bundle = Bundle.load(folder)
    assert bundle.entry('int8').accuracy == accuracy
    assert accuracy['in_higher_precision'] == []
    assert accuracy['calibration'] == {'data': 'frames', 'images': 4, 'method': 'MinMax'}
    assert accuracy['gate']['images'] == 3
    assert accuracy['gate']['label_agreement'] > 0.99
    assert _float_convolutions(bundle.verified_model('int8')) == set()
    scene = _scene()
    with Segmenter.load(bundle, precision='int8') as segmenter:
        assert np.mean(segmenter.segment(TINY.colors()[scene]).labels == scene) > 0.98


def test_layers_that_hurt_are_left_in_32_bits_and_named(tmp_path):
    folder = _layered(tmp_path)
    accuracy = add_precision(folder, 'int8', _images(), DEFAULT_LIMITS['int8'],
                             _calibration(tmp_path / 'frames'))
    assert set(accuracy['in_higher_precision']) == {'wide', 'last'}
    assert accuracy['gate']['computed_in'] == '2 int8, 2 fp32'
    assert accuracy['gate']['label_agreement'] > 0.99
    model = Bundle.load(folder).verified_model('int8')
    assert _float_convolutions(model) == {'wide', 'last'}


def test_what_cannot_pass_is_refused_with_figures_and_nothing_changes(tmp_path):
    folder = _layered(tmp_path)
    before = _content(folder)
    with pytest.raises(GateError, match=r'int8 is refused: on 3 images \(blocks\)') as error:
        add_precision(folder, 'int8', _images(), Limits(0.9, -1.0, 0.0),
                      _calibration(tmp_path / 'frames'))
    assert error.value.figures['label_agreement'] > 0.9
    assert '2 of 5 layers had been left in 32 bits by then' in str(error.value)
    assert _content(folder) == before


@pytest.mark.parametrize('precision', ['int8', 'int8-tensorrt'])
def test_an_interruption_changes_nothing(tmp_path, monkeypatch, precision):
    folder = _layered(tmp_path, wide=False)
    before = _content(folder)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('frm_perception.deploy.add_precision.pass_gate', interrupted)
    with pytest.raises(KeyboardInterrupt):
        add_precision(folder, precision, _images(), DEFAULT_LIMITS[precision],
                      _calibration(tmp_path / 'frames'))
    assert _content(folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ['frames', 'models']


def test_the_file_for_tensorrt_stands_beside_that_for_cpus(tmp_path):
    folder = _layered(tmp_path, wide=False)
    for precision in ('int8', 'int8-tensorrt'):
        add_precision(folder, precision, _images(), DEFAULT_LIMITS[precision],
                      _calibration(tmp_path / 'frames'))
    assert list(Bundle.load(folder).precisions) == ['fp32', 'int8', 'int8-tensorrt']
    assert (folder / 'int8.onnx').read_bytes() != (folder / 'int8-tensorrt.onnx').read_bytes()


def _video(tmp_path):
    with VideoWriter(tmp_path / 'drive.webm', 10.0) as video:
        for _ in range(6):
            video.write(TINY.colors()[_scene()])
    return tmp_path / 'drive.webm'


def _bag(tmp_path):
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/front', 'sensor_msgs/msg/Image', typestore=store)
        for index in range(6):
            image = TINY.colors()[_scene()]
            header = types['std_msgs/msg/Header'](
                types['builtin_interfaces/msg/Time'](index + 1, 0), 'camera')
            message = types['sensor_msgs/msg/Image'](
                header, *image.shape[:2], 'rgb8', 0, 3 * image.shape[1], image.ravel())
            writer.write(connection, index, store.serialize_cdr(message, connection.msgtype))
    return tmp_path / 'bag'


@pytest.mark.parametrize('source', [_video, _bag])
def test_videos_and_bags_calibrate_as_folders_do(tmp_path, source):
    folder = _layered(tmp_path, wide=False)
    frames = read_frames(source(tmp_path))
    accuracy = add_precision(folder, 'int8', _images(), DEFAULT_LIMITS['int8'],
                             CalibrationImages('frames', frames))
    assert accuracy['calibration']['images'] == 6


def test_a_calibration_image_that_cannot_be_read_is_named(tmp_path):
    folder = _layered(tmp_path)
    before = _content(folder)
    calibration = _calibration(tmp_path / 'frames')
    (tmp_path / 'frames' / '2.png').write_bytes(b'no image')
    with pytest.raises(MediaError, match=r'frames/2\.png: not an image'):
        add_precision(folder, 'int8', _images(), SAME, calibration)
    assert _content(folder) == before


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Export a network in both precisions that export knows."""
    folder = tmp_path_factory.mktemp('exported')
    data = write_drives(folder / 'drives')
    checkpoint = train_tiny(tiny_config(data, DRIVES[:1]), folder / 'run', 0)
    write_bundle(checkpoint, folder / 'made', 'frm export', size=(64, 96), half=True)
    return folder / 'made'


def _rendered():
    scenes = [RenderedDrive(7, 64, 96, 3)[index] for index in range(3)]
    return GateImages('rendered', 3, lambda: ((scene.image, scene.labels) for scene in scenes),
                      Comparison.between(CAMVID, CAMVID))


def test_half_precision_of_a_bundle_is_what_export_makes(exported):
    made = onnx.load(exported / 'fp16.onnx').graph
    accuracy = add_precision(exported, 'fp16', _rendered(), DEFAULT_LIMITS['fp16'])
    assert accuracy['gate']['on'] == 'rendered'
    bundle = Bundle.load(exported)
    assert bundle.entry('fp16').accuracy == accuracy
    found = onnx.load_from_string(bundle.verified_model('fp16')).graph
    assert list(found.node) == list(made.node)
    # The bundle keeps as 0 what is nearer to it than 6e-8, the least that 16 bits hold.
    for weight, its in zip(found.initializer, made.initializer, strict=True):
        assert np.allclose(numpy_helper.to_array(weight), numpy_helper.to_array(its),
                           rtol=0, atol=1.2e-7)


def test_bf16_is_the_file_of_fp32_as_openvino_computes_it(exported):
    pytest.importorskip('openvino', reason='bf16 needs requirements/openvino.txt')
    before = {file.name for file in exported.iterdir()}
    try:
        accuracy = add_precision(exported, 'bf16', _rendered(), Limits(0.97, 0.02, 0.02))
    except ProviderError as error:
        assert 'bf16' in str(error)
        pytest.skip('this processor does not compute in bf16')
    bundle = Bundle.load(exported)
    assert bundle.entry('bf16').file == 'fp32.onnx'
    assert bundle.entry('bf16').sha256 == bundle.entry('fp32').sha256
    assert bundle.entry('bf16').accuracy == accuracy
    assert (accuracy['gate']['provider'], accuracy['gate']['computed_in']) == ('openvino', 'bf16')
    assert {file.name for file in exported.iterdir()} == before
    assert '### 16 bits with the range of 32' in (exported / 'README.md').read_text()
    with Segmenter.load(bundle, precision='bf16', provider='openvino') as segmenter:
        assert segmenter.info.precision_run == 'bf16'


def test_bf16_without_openvino_is_refused_and_nothing_is_written(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    before = _content(exported)
    with pytest.raises(ProviderError, match='openvino'):
        add_precision(exported, 'bf16', _rendered(), DEFAULT_LIMITS['bf16'])
    assert _content(exported) == before


def test_a_real_network_in_8_bits_is_a_small_file_and_in_the_card(exported):
    folder = exported.parent / 'frames'
    for index in range(4):
        write_image(folder / f'{index}.png', RenderedDrive(8, 64, 96, 4)[index].image)
    accuracy = add_precision(exported, 'int8', _rendered(), Limits(0.9, 0.05, 0.05),
                             CalibrationImages('frames', read_frames(folder)))
    assert accuracy['in_higher_precision'] == []
    assert (exported / 'int8.onnx').stat().st_size < 0.6 * (
        exported / 'fp32.onnx').stat().st_size
    card = (exported / 'README.md').read_text()
    assert '### 8 bits for CPUs, `int8.onnx`' in card
    assert f'{accuracy["gate"]["label_agreement"]:.2%} of the pixels' in card
    assert 'Calibrated on 4 images (frames)' in card
    with Segmenter.load(Bundle.load(exported), precision='int8') as segmenter:
        assert segmenter.segment(RenderedDrive(9, 64, 96, 1)[0].image).labels.shape == (64, 96)
