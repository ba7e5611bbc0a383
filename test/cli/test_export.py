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
"""`frm export`: from a checkpoint to a bundle, and what it says meanwhile."""

import shlex

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='export needs torch: requirements/train.txt')

from tiny_run import DRIVES  # noqa: E402
from tiny_run import tiny_config  # noqa: E402
from tiny_run import train_tiny  # noqa: E402
from tiny_run import write_drives  # noqa: E402

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.runtime.bundle import Bundle  # noqa: E402
from frm_perception.runtime.engines import EngineOptions  # noqa: E402
from frm_perception.runtime.engines import TensorInfo  # noqa: E402
from frm_perception.runtime.engines import open_engine  # noqa: E402
from frm_perception.runtime.segmenter import Segmenter  # noqa: E402


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Train a run that holds nothing out, and one that does."""
    folder = tmp_path_factory.mktemp('two runs')
    data = write_drives(folder / 'drives')
    return [train_tiny(tiny_config(data, held_out), folder / name, 0)
            for name, held_out in (('whole', ()), ('part', DRIVES[:1]))]


def test_figures_of_another_run_are_announced_as_such(runs, tmp_path, capsys):
    whole, part = map(str, runs)
    folder = tmp_path / 'models' / 'made'
    arguments = ['export', whole, '-o', str(folder), '--validated-by', part, '--size', '64x96']
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert f'not this file, but {part}: mean IoU ' in out
    assert ' on 2 held-out images' in out
    assert shlex.split(Bundle.load(folder).training['command']) == ['frm', *arguments]


def test_a_bundle_goes_beside_its_checkpoint_unless_told_otherwise(runs):
    folder = runs[1].parent / runs[1].parent.name
    assert main(['export', str(runs[1]), '--size', '64x96']) == 0
    assert Bundle.load(folder).name == runs[1].parent.name


@pytest.mark.parametrize('half', [False, True])
def test_a_file_that_gives_labels_is_written_beside_the_bundle(runs, tmp_path, half):
    folder, file = tmp_path / 'made', tmp_path / 'labels.onnx'
    arguments = ['export', str(runs[1]), '-o', str(folder), '--size', '64x96',
                 *(['--fp16'] if half else []), '--labels', str(file)]
    assert main(arguments) == 0
    bundle = Bundle.load(folder)
    assert shlex.split(bundle.training['command']) == ['frm', *arguments]
    engine = open_engine(file.read_bytes(), str(file), EngineOptions('cpu', size=(64, 96)))
    assert engine.output == TensorInfo('labels', 'uint8', (1, 64, 96))
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    with Segmenter.load(bundle, precision='fp16' if half else 'fp32') as segmenter:
        expected = segmenter.segment(image).labels
    assert np.mean(engine.infer(image[None])[0] == expected) > 0.999


def test_a_file_of_labels_that_cannot_be_written_is_told(runs, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert main(['export', str(runs[1]), '-o', str(tmp_path / 'made'), '--size', '64x96',
                 '--labels', str(tmp_path / 'file' / 'labels.onnx')]) == 2
    assert str(tmp_path / 'file') in capsys.readouterr().err


def test_a_bundle_without_figures_is_made_with_a_warning(runs, tmp_path, capsys):
    folder = tmp_path / 'made'
    assert main(['export', str(runs[0]), '-o', str(folder), '--size', '64x64', '--fp16']) == 0
    said = capsys.readouterr()
    assert 'held nothing out' in said.err
    assert '--validated-by' in said.err
    assert 'IoU' not in said.out
    assert Bundle.load(folder).training['command'].endswith(' --size 64x64 --fp16')


@pytest.mark.parametrize(('arguments', 'said'), [
    (['--size', '100x128'], 'multiples of 32, such as 96x128 or 128x128'),
    (['--default-size', '100x128'], 'multiples of 32'),
    (['--validated-by', 'no/such/checkpoint.pt'], 'no/such/checkpoint.pt: not a checkpoint')])
def test_what_cannot_be_is_refused_and_nothing_is_written(
        runs, tmp_path, capsys, arguments, said):
    assert main(['export', str(runs[0]), '-o', str(tmp_path / 'a' / 'made'), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_network_of_what_is_no_number_is_refused_and_nothing_is_written(
        runs, tmp_path, capsys):
    state = torch.load(runs[0], weights_only=True)
    state['average']['head.classifier.bias'][3] = float('nan')
    torch.save(state, tmp_path / 'checkpoint.pt')
    made = tmp_path / 'made'
    assert main(['export', str(tmp_path / 'checkpoint.pt'), '-o', str(made), '--size',
                 '64x96']) == 2
    assert 'frm export: ' in (said := capsys.readouterr().err)
    assert 'weights that are not finite numbers' in said and 'head.classifier.bias' in said
    assert [path.name for path in tmp_path.iterdir()] == ['checkpoint.pt']
