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
"""Processes share their statistics and their wishes."""

import socket

import pytest

torch = pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.training import processes  # noqa: E402


@pytest.fixture
def alone_in_a_group(monkeypatch):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    for name, value in {'RANK': 0, 'LOCAL_RANK': 0, 'WORLD_SIZE': 1,
                        'MASTER_ADDR': 'localhost', 'MASTER_PORT': port}.items():
        monkeypatch.setenv(name, str(value))
    yield processes.join()
    processes.leave()


@pytest.mark.parametrize('shape', [(6, 3), (4, 3, 5, 5)])
@pytest.mark.parametrize('training', [True, False], ids=['training', 'evaluation'])
def test_shared_normalisation_in_one_process_is_plain_normalisation(
        alone_in_a_group, shape, training):
    torch.manual_seed(0)
    plain = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(3).double()
    torch.nn.init.uniform_(plain.weight)
    torch.nn.init.uniform_(plain.bias)
    shared = processes.SharedBatchNorm(3).double()
    shared.load_state_dict(plain.state_dict())
    inputs = [(torch.randn(shape, dtype=torch.float64) * 3 + 2).requires_grad_()]
    inputs.append(inputs[0].detach().clone().requires_grad_())
    slope = torch.randn(shape, dtype=torch.float64)
    outputs = []
    for norm, x in zip((plain, shared), inputs, strict=True):
        norm.train(training)
        outputs.append(norm(x))
        (outputs[-1] * slope).sum().backward()
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
    torch.testing.assert_close(shared.weight.grad, plain.weight.grad)
    torch.testing.assert_close(shared.running_mean, plain.running_mean)
    torch.testing.assert_close(shared.running_var, plain.running_var)


def test_without_a_group_there_is_one_process_and_nothing_is_shared():
    value = torch.tensor(3.0)
    assert processes.count() == 1
    assert processes.rank() == 0
    assert processes.mean_over_processes(value) is value
    assert processes.any_of_them(True)
    assert not processes.any_of_them(False)
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    assert processes.share_batches(module, torch.device('cpu')) is module
    assert type(module[0]) is torch.nn.BatchNorm2d
