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
"""Checkpoints of training runs on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from frm_perception.networks import SegmentationNetwork
from frm_perception.networks import build
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import parse_config


def write_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write a run's state; the file appears whole or not at all."""
    partial = file.with_suffix('.partial')
    torch.save(state, partial)
    os.replace(partial, file)


def read_checkpoint(file: Path, device: torch.device | str = 'cpu'
                    ) -> tuple[TrainingConfig, dict[str, Any]]:
    """
    Read a run's configuration and state; nothing in the file is executed.

    :raises ValueError: the file is not a checkpoint of a training run.
    """
    try:
        state = torch.load(file, map_location=device, weights_only=True)
        return parse_config(state['config'], str(file)), state
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, UnpicklingError,
            ValueError) as error:
        raise ValueError(f'{file}: not a checkpoint of a training run: {error}') from error


def load_average(file: Path) -> tuple[SegmentationNetwork, TrainingConfig, dict[str, Any]]:
    """
    Load the averaged network of a checkpoint, and how it was trained.

    :return: the network in evaluation mode, its configuration, and the run's state.
    :raises ValueError: the file is not a checkpoint of a training run.
    """
    config, state = read_checkpoint(file)
    network = build(config.network, len(find_label_space(config.label_space).classes))
    try:
        network.load_state_dict(state['average'])
    except (KeyError, RuntimeError) as error:
        raise ValueError(f'{file}: not a checkpoint of {config.network}: {error}') from error
    return network.eval(), config, state


def take_over(network: SegmentationNetwork, start: Mapping[str, Tensor], where: str) -> None:
    """
    Copy from another network's state everything of the same name and shape.

    :param where: what messages call the other network.
    :raises ValueError: its backbone is another one.
    """
    own = network.state_dict()
    same = {name: value for name, value in start.items()
            if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name.startswith('backbone.') and name not in same]
    if missing:
        raise ValueError(f'{where}: its backbone is another one: no {missing[0]} of shape '
                         f'{tuple(own[missing[0]].shape)}')
    network.load_state_dict({**own, **same})
