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
"""Cores, memory, swap, shared memory and disk: whether there is enough of each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.machine import Machine
from frm_perception.runtime.shared_memory import SEGMENT_BYTES
from frm_perception.runtime.shared_memory import SHARED_MEMORY

_MIB = 1 << 20
_GIB = 1 << 30

_MEMINFO = '/proc/meminfo'
_SWAPS = '/proc/swaps'
_MEMORY_LIMIT = '/sys/fs/cgroup/memory.max'
_CPU_LIMIT = '/sys/fs/cgroup/cpu.max'

NODE_BYTES = 512 * _MIB
"""
What one node may need on the CPU, rounded up: `make soak` measured 435 MiB with four cameras. A
GPU's libraries come on top.
"""
_BUILDS_WITHOUT_SWAP = 8 * _GIB
"""With less than so much, TensorRT's compiler may need swap: the smaller Jetsons have 4 and 8."""
PROCESSES = 3
"""Camera, node and one more, each with a segment of shared memory: docs/transport.md."""
DISK_BYTES = _GIB
"""Room for logs and engines below which it is time to make some."""
_FULL_DISK_BYTES = 100 * _MIB
"""Below that an engine may not fit, and nothing can be logged for long."""


@dataclass(frozen=True)
class Space:
    """Bytes of a file system: all of it, and what this user may still write."""

    total: int
    free: int


def check_cores(machine: Machine, usable: int, threads: int) -> Finding:
    """
    Tell whether there are cores for the node and for something beside it.

    :param usable: cores that this process may run on.
    :param threads: what one inference uses.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('cores', level, found, f'/proc/self/status, {_CPU_LIMIT}', remedy)

    cores = min(float(usable), _cpu_limit(machine))
    found = f'{cores:g} cores may be used, {threads} threads for an inference'
    if threads > cores:
        return finding(Level.WARNING, found,
                       'threads that share a core wait for each other: lower the parameter '
                       'threads, or allow more cores (docker run --cpus, CPUQuota of systemd)')
    if cores < 2:
        return finding(Level.WARNING, found,
                       'the node decodes images while the network works, and DDS needs time, too: '
                       'allow it two cores')
    return finding(Level.OK, found)


def check_memory(machine: Machine) -> Finding:
    """Tell whether the node fits into the memory that is free now."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('memory', level, found, f'{_MEMINFO}, {_MEMORY_LIMIT}', remedy)

    available = _meminfo(machine, 'MemAvailable')
    if available is None:
        return finding(Level.SKIPPED, 'the kernel does not tell')
    limit = machine.number(_MEMORY_LIMIT)
    if limit is not None:
        available = min(available, limit)
    found = f'{available / _MIB:.0f} MiB are available'
    if available < NODE_BYTES:
        return finding(Level.ERROR, f'{found}; a node may need {NODE_BYTES // _MIB}',
                       'end other programs (a desktop, a browser), raise the limit of the '
                       'container or unit, or take a smaller model')
    return finding(Level.OK, found)


def check_swap(machine: Machine) -> Finding:
    """Tell whether a small computer has swap, without which the kernel kills what needs more."""
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('swap', level, found, _SWAPS, remedy)

    total, swap = _meminfo(machine, 'MemTotal'), _meminfo(machine, 'SwapTotal')
    if total is None or swap is None:
        return finding(Level.SKIPPED, 'the kernel does not tell')
    on_disk = any(not line.startswith('/dev/zram')
                  for line in (machine.text(_SWAPS) or '').splitlines()[1:])
    found = f'{swap / _MIB:.0f} MiB of swap beside {total / _MIB:.0f} MiB of memory'
    remedy = ('make a swap file on an NVMe disk, say of 8 GiB, before engines are built: '
              '"fallocate -l 8G /swap", "chmod 600 /swap", "mkswap /swap", "swapon /swap", and a '
              'line in /etc/fstab')
    small = machine.is_jetson or total <= _BUILDS_WITHOUT_SWAP
    if small and not swap:
        return finding(Level.WARNING, f'no swap beside {total / _MIB:.0f} MiB of memory', remedy)
    if total <= _BUILDS_WITHOUT_SWAP and not on_disk:
        return finding(Level.WARNING, f'{found}, all of it zram, which is memory itself', remedy)
    return finding(Level.OK, found)


def check_shared_memory(space: Space | None, uses_it: bool) -> Finding:
    """
    Tell whether images of three processes fit into shared memory.

    :param space: of ``/dev/shm``; None: there is none.
    :param uses_it: whether the middleware sends images through it.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('shared memory', level, found, str(SHARED_MEMORY), remedy)

    if not uses_it:
        return finding(Level.SKIPPED, 'the middleware does not use it')
    needed = PROCESSES * SEGMENT_BYTES
    remedy = (f'"mount -o remount,size=512m {SHARED_MEMORY}" as root, "docker run '
              f'--shm-size=512m" or --ipc=host; where no ROS process runs, "rm '
              f'{SHARED_MEMORY}/fastrtps_*" frees what killed ones left')
    if space is None:
        return finding(Level.ERROR, 'there is none: Fast DDS sends images by UDP and loses most '
                       'of them', remedy)
    found = f'{space.free / _MIB:.0f} of {space.total / _MIB:.0f} MiB are free'
    if space.free < needed:
        return finding(
            Level.ERROR, f'{found}; {PROCESSES} processes with config/fastdds_shm.xml need '
            f'{needed / _MIB:.0f} MiB, and without it Fast DDS loses most images', remedy)
    return finding(Level.OK, found)


def check_disk(space: Space | None, folder: str) -> Finding:
    """
    Tell whether logs and engines find room.

    :param space: of the file system that holds the engine cache; None: it cannot be told.
    :param folder: where that was looked at.
    """
    def finding(level: Level, found: str, remedy: str = '') -> Finding:
        return Finding('disk', level, found, folder, remedy)

    if space is None:
        return finding(Level.SKIPPED, 'cannot be told')
    found = f'{space.free / _GIB:.1f} of {space.total / _GIB:.1f} GiB are free'
    remedy = ('make room (old logs in ~/.ros/log or /var/log/frm_perception, recordings), or give '
              'another folder as engine_cache')
    if space.free < _FULL_DISK_BYTES:
        return finding(Level.ERROR, found, remedy)
    return finding(Level.WARNING if space.free < DISK_BYTES else Level.OK, found,
                   remedy if space.free < DISK_BYTES else '')


def _cpu_limit(machine: Machine) -> float:
    """Return how many cores the group of this process may keep busy; infinite without limit."""
    # Microseconds in each period, and the period; or max, and the period.
    match = re.fullmatch(r'([0-9]+) ([1-9][0-9]*)', machine.text(_CPU_LIMIT) or '')
    return int(match[1]) / int(match[2]) if match else float('inf')


def _meminfo(machine: Machine, name: str) -> int | None:
    """Return a line of /proc/meminfo, in bytes."""
    for line in (machine.text(_MEMINFO) or '').splitlines():
        match = re.match(rf'{name}:\s+([0-9]{{1,18}}) kB', line)
        if match:
            return int(match[1]) << 10
    return None
