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
"""What the tests of the node share: a ROS participant of the test process, and node processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Where ROS comes from wheels nobody has sourced a setup file.
os.environ.setdefault('AMENT_PREFIX_PATH', sys.prefix)

from node_process import Probe  # noqa: E402
from node_process import SegmenterProcess  # noqa: E402
from tiny_bundle import write_tiny_bundle  # noqa: E402


@pytest.fixture(scope='session')
def probe() -> Iterator[Probe]:
    """Return the test process' own ROS node, which spins on a thread of its own."""
    with Probe() as running:
        yield running


@pytest.fixture(scope='session')
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of models with one tiny bundle, which nobody changes."""
    folder = tmp_path_factory.mktemp('models')
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope='module')
def active(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory
           ) -> Iterator[SegmenterProcess]:
    """Return an active node with the cameras front and rear that a module's tests share."""
    log = tmp_path_factory.mktemp('node') / 'log.txt'
    with SegmenterProcess(probe, log, cameras=['front', 'rear'], model_dir=models) as node:
        assert node.change_state('configure')
        assert node.change_state('activate')
        yield node
