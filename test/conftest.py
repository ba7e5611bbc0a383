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
"""What all tests share: an isolated ROS domain, and a model bundle that needs no training."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Modules that several tests use lie beside this file; importlib mode adds no folder by itself.
sys.path.insert(0, str(Path(__file__).parent))

from install_tree import install  # noqa: E402
from tiny_bundle import write_tiny_bundle  # noqa: E402

# Before anything imports rclpy, and inherited by the processes that tests start. Two test runs on
# one machine must not hear each other: domains 1 to 101 are free of the ephemeral ports of Linux
# (https://docs.ros.org/en/jazzy/Concepts/Intermediate/About-Domain-ID.html).
os.environ['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 101)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
if os.environ.get('ROS_DISTRO') == 'humble':
    os.environ['ROS_LOCALHOST_ONLY'] = '1'  # its only way; later distributions warn about it

# Before anything imports torch: the tensors of tests are small, and on a busy machine threads that
# share them wait for each other far longer than one thread computes.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# Tests that import openvino by themselves send no usage data, either.
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]

# A script's background job ignores Ctrl-C, and so would every process that these tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# On a busy machine any example may take long; none of these tests is about speed.
settings.register_profile('patient', deadline=None)
settings.load_profile('patient')


@pytest.fixture
def tiny_bundle(tmp_path: Path) -> Path:
    """Return the folder of a freshly written tiny bundle, in a folder of models of its own."""
    return write_tiny_bundle(tmp_path / 'models')


@pytest.fixture(scope='session')
def install_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the prefix that `colcon build` installed the package to."""
    return install(Path(__file__).resolve().parents[1], tmp_path_factory.mktemp('workspace'))
