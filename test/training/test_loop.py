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
"""A run learns, can be stopped and killed, and goes on as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402
from frm_perception.training.checkpoint import load_average  # noqa: E402
from frm_perception.training.config import AugmentationConfig  # noqa: E402
from frm_perception.training.config import DistillationConfig  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import LossConfig  # noqa: E402
from frm_perception.training.config import OptimiserConfig  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.loop import Run  # noqa: E402

CPU = torch.device('cpu')
COMMAND = (sys.executable, '-m', 'frm_perception.cli.main', 'train')


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    for kind in ('train', 'held'):
        for name in ('images', 'labels'):
            (folder / kind / name).mkdir(parents=True)
        drive = RenderedDrive(3 if kind == 'train' else 4, 96, 128, 4)
        for index in range(4):
            scene = drive[index]
            cv2.imwrite(str(folder / kind / 'images' / f'A_{index}.png'), scene.image[..., ::-1])
            cv2.imwrite(str(folder / kind / 'labels' / f'A_{index}.png'), scene.labels)
    sources = [FolderData(str(folder / kind / 'images'), str(folder / kind / 'labels'),
                          label_space='camvid')
               for kind in ('train', 'held')]
    return TrainingConfig(
        network='frm-light-mobilenetv2', label_space='camvid', sources=(sources[0],),
        held_out=(sources[1],), iterations=4, batch=2,
        augmentation=AugmentationConfig(height=64, width=64),
        loss=LossConfig(contrast_start=1), optimiser=OptimiserConfig(warm_up=1),
        precision='fp32', evaluate_every=100, checkpoint_every=2)


def _written(config, folder):
    """Return the configuration as a file, as a user has it."""
    folder.mkdir(exist_ok=True)
    file = folder / 'config.yaml'
    # JSON turns tuples into lists, as YAML has them.
    file.write_text(yaml.safe_dump(json.loads(json.dumps(asdict(config)))))
    return file


def _saved(checkpoint):
    return torch.load(checkpoint, weights_only=True)


def _same(first, second):
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    return first == second


def _wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope='module')
def uninterrupted(config, tmp_path_factory):
    """Return a command that lacks its folder, and the checkpoint of a run that it made."""
    folder = tmp_path_factory.mktemp('whole')
    file = _written(replace(config, iterations=6, checkpoint_every=1), folder)
    command = [*COMMAND, str(file), '--cache', str(folder / 'cache'), '-o']
    subprocess.run([*command, str(folder)], check=True)
    return command, folder / 'checkpoint.pt'


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT], ids=['kill', 'interrupt'])
def test_a_run_that_was_ended_from_outside_goes_on_to_the_very_same_weights(
        uninterrupted, tmp_path, number):
    command, whole = uninterrupted
    parts = tmp_path / 'parts' / 'checkpoint.pt'
    process = subprocess.Popen([*command, str(parts.parent)], stderr=subprocess.PIPE)
    _wait_for(parts.exists, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    if number != signal.SIGKILL:
        assert 'the same command goes on' in errors.decode()
    assert 1 <= _saved(parts)['iteration'] < 6
    subprocess.run([*command, str(parts.parent)], check=True)
    ended, expected = _saved(parts), _saved(whole)
    assert ended['iteration'] == 6
    for part in ('objective', 'average', 'optimiser'):
        assert _same(ended[part], expected[part]), part


STEPS = """
import sys
from pathlib import Path

import torch

from frm_perception.training import processes
from frm_perception.training.config import load_config
from frm_perception.training.journal import RunningIoU
from frm_perception.training.loop import Run


def steps(folder):
    # The first steps of a random network amplify rounding a million times.
    torch.set_default_dtype(torch.float64)
    device = processes.join()
    run = Run(load_config(Path(folder) / 'config.yaml'), Path(folder) / 'run',
              Path(folder) / 'cache', device)
    running = RunningIoU(len(run.space.classes))
    losses = []
    for images, labels in run._batches():
        terms, predicted = run.step(images, labels)
        losses.append(terms['cross_entropy'])
        running.update(predicted, labels)
    losses.append(running.mean())
    if processes.rank() == 0:
        run.save()
        (Path(folder) / 'losses').write_text(' '.join(map(str, losses)))
    processes.leave()
    return 0


if __name__ == '__main__':
    count = int(sys.argv[1])
    processes.launch(count, steps, sys.argv[2]) if count > 1 else steps(sys.argv[2])
"""


def test_two_processes_have_the_loss_and_the_gradient_and_the_mean_iou_of_one(config, tmp_path):
    script = tmp_path / 'steps.py'
    script.write_text(STEPS)
    losses, gradients = [], []
    for count in (1, 2):
        folder = tmp_path / str(count)
        _written(replace(config, iterations=1, batch=4, loss=LossConfig(contrast=0.0)), folder)
        subprocess.run([sys.executable, str(script), str(count), str(folder)], check=True)
        losses.append(list(map(float, (folder / 'losses').read_text().split())))
        # After one step Adam's mean is a tenth of the gradient.
        states = _saved(folder / 'run' / 'checkpoint.pt')['optimiser']['state'].values()
        gradients.append(torch.cat([state['exp_avg'].flatten() for state in states]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert (gradients[1] - gradients[0]).norm() < 1e-3 * gradients[0].norm()


def test_two_processes_stop_together_when_interrupted(config, tmp_path):
    file = _written(replace(config, iterations=1000, checkpoint_every=1), tmp_path)
    checkpoint = tmp_path / 'run' / 'checkpoint.pt'
    process = subprocess.Popen(
        [*COMMAND, str(file), '-o', str(checkpoint.parent), '--cache', str(tmp_path / 'cache'),
         '--processes', '2'], stderr=subprocess.PIPE, start_new_session=True)
    _wait_for(checkpoint.exists, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert 'the same command goes on' in errors.decode()
    assert _saved(checkpoint)['iteration'] >= 1


def test_an_interruption_after_the_last_step_is_none(config, tmp_path):
    run = Run(replace(config, iterations=1), tmp_path / 'run', tmp_path, CPU)
    step = run.step

    def interrupted(images, labels):
        os.kill(os.getpid(), signal.SIGINT)
        return step(images, labels)

    run.step = interrupted
    run.train()
    network, _, state = load_average(run.checkpoint)
    assert state['iteration'] == 1
    assert not network.training
    assert not list((tmp_path / 'run').glob('*.partial'))


@pytest.mark.parametrize('iteration', [2, 3], ids=['in between', 'the last one'])
def test_an_evaluation_that_was_due_when_a_run_was_ended_is_caught_up(
        config, tmp_path, iteration):
    config = replace(config, iterations=3, evaluate_every=2, checkpoint_every=1)
    first = Run(config, tmp_path / 'run', tmp_path, CPU)
    step, evaluate = first.step, first.evaluate

    def ended(*batch):
        if batch and first.iteration + 1 == iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)  # stops after this step
        return step(*batch)

    def killed():
        if first.iteration == iteration:
            raise KeyboardInterrupt
        return evaluate()

    first.step, first.evaluate = ended, killed
    with pytest.raises(KeyboardInterrupt):
        first.train()
    for _ in range(2):  # the second time there is nothing to do
        Run(config, tmp_path / 'run', tmp_path, CPU).train()
        entries = [json.loads(line) for line in
                   (tmp_path / 'run' / 'log.jsonl').read_text().splitlines()]
        assert [entry['iteration'] for entry in entries] == [2, 3]
        assert all('held_out_road' in entry for entry in entries)


@pytest.mark.parametrize(('where', 'named'), [
    ('loss', 'cross_entropy nan'), ('gradient', 'gradient (inf|nan)')])
def test_a_run_that_diverges_is_stopped_before_it_spoils_weights_and_checkpoint(
        config, tmp_path, where, named):
    run = Run(replace(config, checkpoint_every=1), tmp_path / 'run', tmp_path, CPU)
    images, labels = next(iter(run._batches()))
    run.step(images, labels)
    run.save()
    before = run.checkpoint.read_bytes()
    bias = run.objective.network.head.classifier.bias
    if where == 'gradient':
        bias.register_hook(lambda gradient: gradient * float('inf'))
    else:
        bias.data[0] = float('nan')
    weights = run.objective.network.head.classifier.weight.clone()
    with pytest.raises(ValueError, match=f'diverged in iteration 2: .*{named}') as error:
        run.train()
    assert f'{run.checkpoint} is still of an iteration before it' in str(error.value)
    assert run.checkpoint.read_bytes() == before
    assert torch.equal(run.objective.network.head.classifier.weight, weights)
    assert run.iteration == 1


def test_a_run_logs_its_terms_and_the_held_out_figures(config, tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    run = Run(replace(config, iterations=20, loss=LossConfig(contrast_start=0, auxiliary=0.4)),
              tmp_path / 'run', tmp_path, CPU)
    run.train()
    logged = {}
    for line in (run.folder / 'log.jsonl').read_text().splitlines():
        logged.update(json.loads(line))
    assert {'loss', 'cross_entropy', 'contrast', 'auxiliary', 'mean_iou',
            'held_out_mean_iou', 'held_out_road'} <= set(logged)
    assert logged['loss'] == pytest.approx(
        logged['cross_entropy'] + logged['contrast'] + logged['auxiliary'])
    events = next((run.folder / 'tensorboard').glob('events.*')).read_bytes()
    tags = set()
    while events:
        # A record of TensorFlow: length, its checksum, the event, its checksum.
        length = int.from_bytes(events[:8], 'little')
        event = Event.FromString(events[12:12 + length])
        tags |= {value.tag for value in event.summary.value}
        events = events[12 + length + 4:]
    assert {'cross_entropy', 'held_out_mean_iou'} <= tags


def test_a_run_goes_on_from_another_ones_backbone(config, tmp_path):
    first = Run(config, tmp_path / 'first', tmp_path, CPU)
    first.save()
    second = Run(replace(config, network='fpn-mobilenetv2', seed=5, start=str(first.checkpoint)),
                 tmp_path / 'second', tmp_path, CPU)
    expected = first.average.backbone.state_dict()
    got = second.objective.network.backbone.state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    with pytest.raises(ValueError, match=r'first/checkpoint\.pt: its backbone is another one'):
        Run(replace(config, network='fpn-van-b0', start=str(first.checkpoint)),
            tmp_path / 'third', tmp_path, CPU)


def test_a_teacher_is_learned_from_but_not_trained(config, tmp_path):
    teacher = Run(config, tmp_path / 'teacher', tmp_path, CPU)
    teacher.save()
    distillation = DistillationConfig(str(teacher.checkpoint), weight=1.0)
    run = Run(replace(config, seed=5, iterations=9,
                      loss=LossConfig(contrast=0.0, distillation=distillation)),
              tmp_path / 'run', tmp_path, CPU)
    images, labels = next(iter(run._batches()))
    before = [value.clone() for value in run.objective._teacher[0].state_dict().values()]
    nothing = torch.full_like(labels, IGNORE)
    terms = [run.step(images, nothing)[0]['distillation'] for _ in range(8)]
    assert 0 < terms[-1] < terms[0]
    after = run.objective._teacher[0].state_dict().values()
    assert all(map(torch.equal, before, after))


def test_a_teacher_of_other_classes_is_refused(config, tmp_path):
    teacher = Run(config, tmp_path / 'teacher', tmp_path, CPU)
    teacher.save()
    distillation = DistillationConfig(str(teacher.checkpoint))
    with pytest.raises(ValueError, match="a teacher of 'camvid' cannot teach 'cityscapes'"):
        Run(replace(config, label_space='cityscapes', loss=LossConfig(distillation=distillation)),
            tmp_path / 'run', tmp_path, CPU)


def test_a_crop_that_the_network_does_not_take_is_refused_before_anything_is_read(
        config, tmp_path):
    nowhere = replace(config.held_out[0], images=str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='augmentation: .* of cgrseg-t: .*64x96.*multiples of 64'):
        Run(replace(config, network='cgrseg-t', held_out=(nowhere,),
                    augmentation=AugmentationConfig(height=64, width=96)),
            tmp_path / 'run', tmp_path, CPU)


@pytest.mark.parametrize('changes', [
    {'loss': LossConfig(class_weights={'bycicle': 2.0})},
    {'augmentation': AugmentationConfig(64, 64, paste=0.5, pasted=('bycicle',))}])
def test_a_class_that_the_label_space_lacks_is_refused(config, tmp_path, changes):
    with pytest.raises(ValueError, match="no class 'bycicle'; it has sky, building"):
        Run(replace(config, **changes), tmp_path / 'run', tmp_path, CPU)


def test_a_folder_of_another_configuration_is_refused(config, tmp_path):
    Run(config, tmp_path / 'run', tmp_path, CPU).save()
    with pytest.raises(ValueError, match='another seed, iterations'):
        Run(replace(config, seed=1, iterations=9), tmp_path / 'run', tmp_path, CPU)


def test_a_run_can_have_classes_of_its_own(config, tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('{name: mine, classes: [road, tree, everything], drivable: [road]}')
    run = Run(replace(config, iterations=1, label_space=str(mine)), tmp_path / 'run', tmp_path,
              CPU)
    run.train()
    network, _, _ = load_average(run.checkpoint)
    assert network.head.classifier.out_channels == 3


@pytest.mark.slow
def test_the_loss_falls_on_four_rendered_frames(config, tmp_path):
    run = Run(replace(config, iterations=60, batch=4), tmp_path, tmp_path, CPU)
    images, labels = next(iter(run._batches()))
    losses = [run.step(images, labels)[0]['cross_entropy'] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:3])
