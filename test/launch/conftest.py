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
"""What the tests of the launch files share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import rclpy  # noqa: E402
from install_tree import environment_of  # noqa: E402
from launch_process import Launch  # noqa: E402
from rclpy.node import Node  # noqa: E402
from tiny_bundle import write_tiny_bundle  # noqa: E402


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    """Return the test's own node."""
    rclpy.init()
    yield rclpy.create_node('launch_test')
    rclpy.shutdown()


@pytest.fixture
def start(node: Node, install_tree: Path, tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Return a function that launches the node with a tiny model and further arguments."""
    models = tmp_path / 'models'
    write_tiny_bundle(models)
    running = []

    def launch(*arguments: str, file: str = 'segment.launch.py', **variables: str) -> Launch:
        environment = {**environment_of(install_tree), **variables}
        running.append(Launch(
            node, file, tmp_path, environment, (f'model_dir:={models}', *arguments)))
        return running[-1]

    yield launch
    for launched in running:
        launched.stop()
