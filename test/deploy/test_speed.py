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
"""Networks are timed in turn, on equal terms, and what is printed is what was measured."""

import json
import weakref
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='networks need torch: requirements/train.txt')
openvino = pytest.importorskip('openvino', reason='requirements/train.txt')
schema = pytest.importorskip(
    'ai_edge_litert.schema_py_generated', reason='requirements/train.txt')
flatbuffers = pytest.importorskip('flatbuffers')

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.deploy.peers import DEEPLAB_FILE  # noqa: E402
from frm_perception.deploy.peers import ROAD_FILE  # noqa: E402
from frm_perception.deploy.peers import peers  # noqa: E402
from frm_perception.deploy.speed import DisagreementError  # noqa: E402
from frm_perception.deploy.speed import check_agreement  # noqa: E402
from frm_perception.deploy.speed import description  # noqa: E402
from frm_perception.deploy.speed import measure  # noqa: E402
from frm_perception.deploy.speed import table  # noqa: E402
from frm_perception.deploy.speed import take_turns  # noqa: E402
from frm_perception.media.files import write_json  # noqa: E402
from frm_perception.networks import build  # noqa: E402
from frm_perception.networks.cost import measure_cost  # noqa: E402

NAME = 'frm-light-mobilenetv2'
SIZE = (64, 128)
PUBLISHED = Path('../shared/data/models')


def _write_ir(file):
    """Write a network of one 3x3 convolution of 3 to 5 channels, and one grouped one."""
    ops = openvino.opset13
    image = ops.parameter([1, 3, 512, 896], np.float32)
    first = ops.convolution(image, np.ones((5, 3, 3, 3), np.float32), [2, 2], [1, 1], [1, 1],
                            [1, 1])
    second = ops.group_convolution(first, np.ones((5, 1, 1, 3, 3), np.float32), [1, 1], [1, 1],
                                   [1, 1], [1, 1])
    file.parent.mkdir(parents=True)
    openvino.save_model(openvino.Model([second], [image]), file, compress_to_fp16=False)


def _tensor(shape, kind, buffer=0):
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = shape, kind, buffer
    return tensor


def _operator(code, inputs, output):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, [output]
    return operator


def _write_tflite(file):
    """Write a network that makes (1, 9, 7, 3) uint8 float and convolves it, 1x1, to 4 channels."""
    floats = schema.TensorType.FLOAT32
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
    for code in (schema.BuiltinOperator.CAST, schema.BuiltinOperator.CONV_2D):
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        model.operatorCodes.append(entry)
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.ones((4, 1, 1, 3), np.float32).view(np.uint8).ravel()
    model.buffers[2].data = np.zeros(4, np.float32).view(np.uint8)
    graph.tensors = [_tensor([1, 9, 7, 3], schema.TensorType.UINT8),
                     _tensor([1, 9, 7, 3], floats), _tensor([4, 1, 1, 3], floats, buffer=1),
                     _tensor([4], floats, buffer=2), _tensor([1, 9, 7, 4], floats)]
    convolve = _operator(1, [1, 2, 3], 4)
    convolve.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
    convolve.builtinOptions = schema.Conv2DOptionsT()
    convolve.builtinOptions.strideH = convolve.builtinOptions.strideW = 1
    graph.operators = [_operator(0, [0], 1), convolve]
    graph.inputs, graph.outputs = [0], [4]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b'TFL3')
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(builder.Output()))


@pytest.fixture(scope='module')
def peer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('peers')
    _write_ir(folder / ROAD_FILE)
    _write_tflite(folder / DEEPLAB_FILE)
    return folder


@pytest.fixture(scope='module')
def results(peer_folder):
    return measure([NAME], SIZE, threads=1, rounds=2, seconds=0.01, peer_folder=peer_folder,
                   plain=True)


def test_a_network_runs_in_both_runtimes_and_each_peer_in_its_own(results):
    ours, plain, road, deeplab = results['networks']
    assert (ours['name'], plain['name']) == (NAME, f'{NAME}, plain')
    for network in (ours, plain):
        assert list(network['runtimes']) == ['ONNX Runtime', 'OpenVINO']
    assert list(road['runtimes']) == ['OpenVINO']
    assert list(deeplab['runtimes']) == ['LiteRT']
    for figures in (*ours['runtimes'].values(), *road['runtimes'].values(),
                    *deeplab['runtimes'].values()):
        latency = figures['latency_ms']
        assert figures['images'] >= 6
        assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] <= latency['max']
        assert len(figures['p50_ms_of_rounds']) == 2


def test_the_runtimes_compute_the_same_in_32_bits(results):
    # bfloat16, OpenVINO's own choice on some processors, is some 1e-2 off.
    assert results['networks'][0]['disagreement'] <= 1e-4


def test_the_speed_is_that_of_all_multiply_adds(results):
    ours = results['networks'][0]
    cost = measure_cost(build(NAME, 19), *SIZE)
    assert (ours['parameters'], ours['convolutions'], ours['attention']) == (
        cost.parameters, cost.convolutions, cost.attention)
    figures = ours['runtimes']['OpenVINO']
    seconds = figures['latency_ms']['p50'] / 1000
    assert figures['gmac_per_second'] * seconds == pytest.approx(
        (cost.convolutions + cost.attention) / 1e9)


def test_operators_are_told_apart_and_share_the_whole_time(results):
    shares = results['networks'][0]['operators']
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert {'Conv 1x1', 'Conv 3x3', 'depthwise Conv 3x3', 'Softmax'} <= set(shares)


def test_the_plain_network_goes_without_what_makes_it_faster(results):
    ours, plain, *_ = (network['operators'] for network in results['networks'])
    assert 'Gelu' in ours and 'Erf' not in ours
    assert 'Erf' in plain and 'Gelu' not in plain


def test_the_multiply_adds_of_peers_are_counted_in_their_graphs(results):
    *_, road, deeplab = results['networks']
    assert (road['input'], road['precision']) == ([64, 128], 'fp32')
    assert road['convolutions'] == 32 * 64 * (5 * 3 * 9 + 5 * 9)
    assert road['parameters'] == 5 * 3 * 9 + 5 * 9
    assert (deeplab['input'], deeplab['precision']) == ([9, 7], 'int8')
    assert deeplab['convolutions'] == 9 * 7 * 4 * 3
    assert deeplab['parameters'] == 4 * 3 + 4


@pytest.mark.skipif(not PUBLISHED.exists(), reason=f'{PUBLISHED} is not at hand')
def test_the_published_peers_have_their_published_sizes():
    road, deeplab = peers(PUBLISHED, (512, 896), threads=1)
    # The model's page has 0.184 million parameters and 4.770 GFLOP, two for a multiply-add,
    # pooling, additions and enlarging among them.
    assert round(road.cost.parameters / 1e6, 3) == 0.184
    assert 0.9 < road.cost.convolutions / (4.770e9 / 2) < 1.0
    assert deeplab.size == (513, 513)


def test_results_can_be_written_and_their_table_read(results, tmp_path):
    write_json(tmp_path / 'speed.json', results)
    read = json.loads((tmp_path / 'speed.json').read_text())
    assert read == results
    heading, _, ours, _, road, deeplab = (
        [cell.strip() for cell in line.strip('|').split('|')] for line in table(read).splitlines())
    assert heading[5:11] == [
        'ONNX Runtime p50 / p95 ms', 'OpenVINO p50 / p95 ms', 'LiteRT p50 / p95 ms',
        'ONNX Runtime GMAC/s', 'OpenVINO GMAC/s', 'LiteRT GMAC/s']
    latency = read['networks'][0]['runtimes']['ONNX Runtime']['latency_ms']
    assert ours[:2] == [NAME, '64x128 fp32']
    assert ours[5] == f'{latency["p50"]:.1f} / {latency["p95"]:.1f}'
    assert ours[7] == '-'
    assert ours[11].count('%') == 3
    assert [deeplab[1], deeplab[5], deeplab[6], deeplab[11]] == ['9x7 int8', '-', '-', '-']
    assert road[6] != '-'


def test_the_description_says_where_and_how(results):
    text = description(results)
    for part in ('64x128', '1 threads', '2 rounds', results['commit'], results['machine']['cpu'],
                 results['versions']['openvino'], 'peers'):
        assert part in text
    assert 'left out' in description({**results, 'peers': False})


@pytest.mark.parametrize('wrong', [1.002, np.nan, np.inf], ids=str)
def test_a_runtime_that_computes_something_else_is_refused(wrong):
    expected = np.array([[1.0, -4.0]])
    assert check_agreement('a', expected, expected + 0.001) == pytest.approx(0.00025)
    with pytest.raises(DisagreementError, match='frm-x: the output of OpenVINO'):
        check_agreement('frm-x', expected, expected * wrong)


def test_networks_take_turns_and_only_one_is_loaded_at_a_time():
    order, loaded = [], []

    def loader(name):
        def load():
            assert all(infer() is None for infer in loaded)
            order.append(name)

            def infer():
                return np.zeros(1)

            loaded.append(weakref.ref(infer))
            return infer
        return load

    loads = {(name, runtime): loader(name + runtime) for name in 'ab' for runtime in 'xy'}
    times = take_turns(loads, rounds=2, seconds=0.0)
    assert order == ['ax', 'ay', 'bx', 'by'] * 2
    assert {turn: [len(values) for values in rounds] for turn, rounds in times.items()} == {
        (name, runtime): [3, 3] for name in 'ab' for runtime in 'xy'}


@pytest.mark.parametrize(('arguments', 'status', 'parts'), [
    (['frm-light-mobilenet'], 2, ["'frm-light-mobilenet'", f'did you mean {NAME}?']),
    ([NAME, '--size', '100x1024'], 2, [NAME, '100x1024', '96x1024', '128x1024']),
    ([NAME, '--peers', 'nowhere'], 1, [f'nowhere/{ROAD_FILE}']),
], ids=['name', 'size', 'peers'])
def test_what_cannot_be_measured_is_refused_at_once(arguments, status, parts, capsys, tmp_path):
    file = tmp_path / 'speed.json'
    assert main(['benchmark', 'networks', *arguments, '--json', str(file)]) == status
    message = capsys.readouterr().err
    assert all(part in message for part in parts)
    assert not file.exists()


@pytest.mark.parametrize('arguments', [
    ['--size', '512'], ['--threads', '0'], ['--rounds', 'many'], ['--seconds', '0']], ids=' '.join)
def test_an_option_that_makes_no_sense_is_named(arguments, capsys):
    with pytest.raises(SystemExit):
        main(['benchmark', 'networks', *arguments])
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['speed', 'plain'])
def test_the_documented_tables_are_what_the_program_printed(kind):
    docs = Path(__file__).parents[2] / 'docs'
    results = json.loads((docs / f'networks-{kind}.json').read_text(encoding='utf-8'))
    text = (docs / 'networks.md').read_text(encoding='utf-8')
    assert f'{description(results)}\n\n{table(results)}' in text
