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
"""The package as `colcon build` installs it, for the tests that look at it or launch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PARTS = ('package.xml', 'setup.py', 'setup.cfg', 'resource', 'frm_perception', 'launch', 'config',
         'models')
"""What of the checkout an installation is made of."""


def install(root: Path, workspace: Path) -> Path:
    """
    Build a copy of the checkout in a workspace; return the prefix that it is installed to.

    :raises RuntimeError: colcon failed; the text is what it said.
    """
    source = workspace / 'src' / 'frm_perception'
    source.mkdir(parents=True)
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name,
                            ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(root / name, source)
    said = subprocess.run(
        [sys.executable, '-m', 'colcon', '--log-base', 'log', 'build', '--base-paths', 'src'],
        cwd=workspace, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if said.returncode:
        raise RuntimeError(f'colcon build failed:\n{said.stdout}')
    return workspace / 'install' / 'frm_perception'


def environment_of(prefix: Path) -> dict[str, str]:
    """Return our environment with an installation sourced in front of all else."""
    packages, = prefix.glob('lib/python3.*/site-packages')
    # A virtual environment with the wheels of ROS is a prefix that nobody may have sourced.
    ours = {'AMENT_PREFIX_PATH': sys.prefix, **os.environ}
    result = dict(ours)
    for name, folder in (('AMENT_PREFIX_PATH', prefix), ('PYTHONPATH', packages)):
        result[name] = os.pathsep.join(filter(None, [str(folder), ours.get(name)]))
    return result
