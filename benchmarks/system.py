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
"""A ROS system of our own, and nodes in it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node_process import Diagnostics
from node_process import SegmenterProcess
from node_process import wait_until
from probe import Probe

from frm_perception.ros.mailbox import Outcome
from frm_perception.ros.private_system import free_domain
from frm_perception.ros.private_system import private_environment
from frm_perception.ros.private_system import shared_memory_warning
from frm_perception.runtime.share import share_folder
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE

COUNTS = ('received', 'dropped', 'in_flight', *(outcome.value for outcome in Outcome))
"""What a camera's status counts."""
_LAST_LINES = 15


@contextmanager
def private_system(processes: int) -> Iterator[Probe]:
    """
    Take this process, and all that it starts, to a ROS domain that nobody uses.

    :param processes: how many there will be, for a warning where shared memory is too small.
    :return: this process' participant.
    """
    environment = private_environment(free_domain())
    environment.setdefault(PROFILE_VARIABLE, str(share_folder('config') / 'fastdds_shm.xml'))
    os.environ.clear()
    os.environ.update(environment)
    if warning := shared_memory_warning(processes):
        print(f'Warning: {warning}', file=sys.stderr)
    with Probe() as probe:
        yield probe


@contextmanager
def running(probe: Probe, **options: Any) -> Iterator[SegmenterProcess]:
    """
    Start a node and end it; where the block fails, show the end of what it wrote.

    :param options: of :class:`SegmenterProcess`.
    """
    with tempfile.TemporaryDirectory(prefix='frm-benchmark-') as folder:
        node = SegmenterProcess(probe, Path(folder) / 'segmenter.log', **options)
        try:
            yield node
        except AssertionError:
            code = node.process.poll()
            state = 'still runs' if code is None else f'has ended with status {code}'
            lines = node.log().splitlines()[-_LAST_LINES:]
            print('\n'.join([f'the node {state}; the end of its log:', *lines]), file=sys.stderr)
            raise
        finally:
            node.stop()


def counts_of(values: dict[str, str]) -> dict[str, int]:
    """Return what a camera's status counts."""
    return {name: int(values[name]) for name in COUNTS}


def settled_counts(diagnostics: Diagnostics, camera: str, received: int) -> dict[str, int]:
    """
    Wait until so many images of a camera reached the node and are decided; return its counts.

    Where it is other than that many, the latest counts are returned: they are for the verdict.
    """
    def settled() -> dict[str, int] | None:
        _, values = diagnostics.next_status(camera)
        found.update(counts_of(values))
        return found if found['received'] >= received and not found['in_flight'] else None

    found: dict[str, int] = {}
    try:
        wait_until(settled, f'{received} images of {camera}', deadline=10.0)
    except AssertionError:
        if not found:
            raise
    return found
