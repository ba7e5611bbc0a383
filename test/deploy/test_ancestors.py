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
"""What a model came from is told to the first weights, also when files are gone."""

import shutil
from dataclasses import asdict
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

pytest.importorskip('torch', reason='checkpoints need torch: requirements/train.txt')

from tiny_bundle import write_tiny_bundle  # noqa: E402

from frm_perception.deploy.ancestors import ancestors  # noqa: E402
from frm_perception.deploy.ancestors import iterations_in_all  # noqa: E402
from frm_perception.deploy.data_sources import licence_of_weights  # noqa: E402
from frm_perception.training.checkpoint import write_checkpoint  # noqa: E402
from frm_perception.training.config import CamVidData  # noqa: E402
from frm_perception.training.config import DistillationConfig  # noqa: E402
from frm_perception.training.config import LossConfig  # noqa: E402
from frm_perception.training.config import RenderedData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.config import as_plain  # noqa: E402

PLAIN = TrainingConfig('frm-light-mobilenetv2', 'camvid', (RenderedData(1, 2, 96, 128),))


def _config(start: object = '', seed: int = 0, teacher: object = '') -> TrainingConfig:
    loss = LossConfig(distillation=DistillationConfig(str(teacher)) if teacher else None)
    return replace(PLAIN, start=str(start), seed=seed, loss=loss)


def _run(file: Path, config: TrainingConfig, iterations: int) -> Path:
    file.parent.mkdir(exist_ok=True)
    write_checkpoint(file, {'config': asdict(config), 'iteration': iterations,
                            'commit': f'commit of {file.parent.name}'})
    return file


def _bundle(folder: Path, config: TrainingConfig, iterations: int, before: list) -> Path:
    """Write a bundle that says it was exported from such a run."""
    write_tiny_bundle(folder)
    file = folder / 'tiny' / 'model.yaml'
    manifest = yaml.safe_load(file.read_text())
    manifest['training'] = {
        'data': [{'data': 'as counted then', 'images': 7, 'weight': 1.0, 'licence': 'MIT'}],
        'iterations': iterations, 'commit': 'commit of the bundle', 'config': as_plain(config),
        'learned_from': before}
    file.write_text(yaml.safe_dump(manifest))
    return folder / 'tiny'


def _told(config: TrainingConfig, file: Path) -> list[tuple[str, str, int | None]]:
    return [(one.role, str(one.checkpoint), one.iterations) for one in ancestors(config, file)]


def test_every_run_before_it_is_told_with_recipe_and_commit_down_to_the_pretrained_weights(
        tmp_path):
    first = _run(tmp_path / 'first' / 'c.pt', _config('net.tflite'), 30)
    second = _run(tmp_path / 'second' / 'c.pt', _config(first, 1), 20)
    found = ancestors(_config(second), tmp_path / 'own.pt')
    assert [(one.role, one.iterations, one.commit) for one in found] == [
        ('start', 20, 'commit of second'), ('start', 30, 'commit of first'),
        ('pretrained', None, None)]
    assert found[0].config == as_plain(_config(first, 1))
    assert found[2].manifest()['data'][0]['data'].startswith('ImageNet')
    assert iterations_in_all(10, found) == 60
    assert 'image-net.org' in licence_of_weights({'Apache-2.0'}.union(
        *(one.licences() for one in found)))


def test_a_bundles_history_is_kept_when_its_checkpoints_are_gone(tmp_path):
    pretrained = tmp_path / 'net.tflite'
    pretrained.write_bytes(b'no checkpoint')
    first = _run(tmp_path / 'first' / 'c.pt', replace(
        _config(pretrained), sources=(CamVidData(str(tmp_path)),)), 30)
    config = _config(first, 1)
    before = [one.manifest() for one in ancestors(config, tmp_path / 'own.pt')]
    bundle = _bundle(tmp_path / 'models', config, 20, before)
    there = ancestors(_config(bundle), tmp_path / 'own.pt')
    first.unlink()
    gone = ancestors(_config(bundle), tmp_path / 'own.pt')
    assert gone == there
    assert [(one.role, one.iterations) for one in gone] == [
        ('start', 20), ('start', 30), ('pretrained', None)]
    assert gone[0].data[0]['images'] == 7
    assert gone[0].commit == 'commit of the bundle'
    assert [one.manifest() for one in gone[1:]] == before
    assert licence_of_weights(gone[1].licences()).startswith('research use')


def test_an_older_manifest_without_recipes_is_completed_from_what_is_there(tmp_path):
    first = _run(tmp_path / 'first' / 'c.pt', _config('net.tflite'), 30)
    older = [{'role': 'start', 'checkpoint': str(file), 'data': []}
             for file in (tmp_path / 'gone.pt', first)]
    bundle = _bundle(tmp_path / 'models', _config(tmp_path / 'gone.pt'), 20, older)
    found = ancestors(_config(bundle, 5), tmp_path / 'own.pt')
    assert [(one.role, one.checkpoint.name, one.iterations) for one in found] == [
        ('start', 'tiny', 20), ('start', 'gone.pt', None), ('start', 'c.pt', 30),
        ('pretrained', 'net.tflite', None)]
    assert iterations_in_all(10, found) is None


def test_a_run_that_was_exported_to_the_bundle_it_began_with_keeps_its_history(tmp_path):
    bundle = _bundle(tmp_path / 'models', _config('net.tflite', 1), 20, [])
    config = _config(bundle)
    first_time = ancestors(config, tmp_path / 'own.pt')
    shutil.rmtree(tmp_path / 'models')
    _bundle(tmp_path / 'models', config, 10, [one.manifest() for one in first_time])
    assert ancestors(config, tmp_path / 'own.pt') == first_time


def test_what_a_teacher_came_from_is_told_but_not_counted(tmp_path):
    first = _run(tmp_path / 'first' / 'c.pt', _config('net.tflite'), 30)
    teacher = _run(tmp_path / 'teacher' / 'c.pt', _config(first, 1), 20)
    found = ancestors(_config('other.tflite', teacher=teacher), tmp_path / 'own.pt')
    assert [(one.role, one.iterations) for one in found] == [
        ('pretrained', None), ('teacher', 20), ("teacher's start", 30),
        ("teacher's pretrained", None)]
    assert iterations_in_all(10, found) == 10


def test_weights_that_are_gone_leave_the_licence_open(tmp_path):
    (gone,) = ancestors(_config(tmp_path / 'gone.pt'), tmp_path / 'own.pt')
    assert gone.data is None
    assert licence_of_weights(gone.licences()).startswith('not stated')
