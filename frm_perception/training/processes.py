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
"""One run in several processes, one for each GPU: torch.distributed and its launcher."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor
from torch import nn
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig
from torch.distributed.launcher.api import elastic_launch


def launch(processes: int, work: Callable[..., int], *arguments: Any) -> int:
    """
    Call ``work(*arguments)`` in that many processes that find each other.

    :return: the largest of the exit statuses that it returned; 1 if a process failed, 128 and the
        signal's number if one ended them.
    """
    settings = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id='frm', rdzv_backend='c10d',
        rdzv_endpoint='localhost:0', start_method='spawn', max_restarts=0)
    try:
        results: dict[int, int] = elastic_launch(settings, work)(*arguments)
    except SignalException as error:
        # The processes have ended, and the first of them has said how.
        return 128 + error.sigval
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        return 1
    return max(results.values())


def devices() -> int:
    """Return how many processes there is work for: one for each GPU, or one without any."""
    return max(torch.cuda.device_count(), 1)


def launched() -> bool:
    """Tell whether this process is one of several that torchrun or :func:`launch` started."""
    return 'LOCAL_RANK' in os.environ


def join() -> torch.device:
    """Join the other processes, if there are any; return this one's device."""
    cuda = torch.cuda.is_available()
    if not launched():
        return torch.device('cuda' if cuda else 'cpu')
    # The first process may prepare data for hours while the others wait.
    distributed.init_process_group('nccl' if cuda else 'gloo', timeout=timedelta(days=1))
    if not cuda:
        return torch.device('cpu')
    device = torch.device('cuda', int(os.environ['LOCAL_RANK']))
    torch.cuda.set_device(device)
    return device


def leave() -> None:
    """Leave the other processes, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """Return this process's number; 0 also where it is the only one."""
    return int(os.environ.get('RANK', '0'))


def count() -> int:
    """Return how many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a value without gradient over all processes."""
    if count() == 1:
        return value
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total / count()


def any_of_them(value: bool) -> bool:
    """Tell whether the value is true in any of the processes; all of them must ask."""
    if count() == 1:
        return value
    votes = torch.tensor(float(value))
    if distributed.get_backend() == 'nccl':
        votes = votes.cuda()
    distributed.all_reduce(votes)
    return bool(votes > 0)


@contextmanager
def one_after_the_first() -> Iterator[None]:
    """Let the first process through, and the others when it is done or has failed."""
    if rank() > 0:
        distributed.barrier()
    try:
        yield
    finally:
        if count() > 1 and rank() == 0:
            distributed.barrier()


def _sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, through which gradients flow back."""
    total: Tensor = _SumOverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return total


class _SumOverProcesses(torch.autograd.Function):

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


class SharedBatchNorm(nn.BatchNorm2d):
    """
    Batch normalisation over the images of all processes, on any device.

    torch.nn.SyncBatchNorm does the same faster, but on GPUs alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        values = x.to(self.running_mean.dtype)
        counted = values.new_tensor([values.numel() / values.shape[1]])
        totals = _sum_over_processes(torch.cat([values.sum(axes), counted]))
        mean, number = totals[:-1] / totals[-1], totals[-1]
        centred = values - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(axes)) / number
        with torch.no_grad():
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * number / (number - 1), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """Also a (B, C) matrix is taken, as of a projection of pixels."""


class SharedDropout(nn.Dropout2d):
    """
    Dropout of the cells that it would drop in one process with the images of all.

    Process r of n has images r, r + n and so on, and random numbers from the same seed.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        if not self.training:
            return x
        kept = x.new_empty(len(x) * count(), x.shape[1], 1, 1).bernoulli_(1 - self.p)
        return x * kept[rank()::count()].div_(1 - self.p)


def share_batches(module: nn.Module, device: torch.device) -> nn.Module:
    """Return the module, which normalises and drops out as one process with all images would."""
    if count() == 1:
        return module
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Dropout2d):
                setattr(parent, name, SharedDropout(child.p))
    if device.type == 'cuda':
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return converted
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                setattr(parent, name, shared)
    return module
