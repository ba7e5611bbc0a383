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
"""What belongs beside measured figures: where, with what and from which commit they come."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from frm_perception.runtime.processor import cpu_name

ROS_PACKAGES = ('ros-rclpy', 'ros-fastrtps', 'ros-rmw-fastrtps-cpp')
"""What carries images where ROS comes from wheels; an installed ROS has its ``ros_distro``."""


def provenance(packages: Sequence[str]) -> dict[str, object]:
    """
    Return machine, commit, ROS distribution (if one is sourced) and versions, for a JSON file.

    :param packages: distributions whose versions matter; one that is not installed is left out.
    """
    return {'machine': _machine(), 'commit': _commit(),
            'ros_distro': os.environ.get('ROS_DISTRO'), 'versions': _versions(packages)}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return ``p50``, ``p95``, ``p99`` and ``max`` of values, empty if there are none."""
    if not values:
        return {}
    p50, p95, p99 = np.percentile(np.asarray(values, np.float64), [50, 95, 99])
    return {'p50': float(p50), 'p95': float(p95), 'p99': float(p99), 'max': float(max(values))}


def percent(share: float | None) -> str:
    """Return a share of 0..1 in percent with one decimal; a dash where it is not known."""
    return '-' if share is None else f'{100 * share:.1f}'


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the first of them headings, as Markdown that is readable on a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ['-' * width for width in widths]
    return '\n'.join(
        '| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths)) + ' |'
        for row in (rows[0], rule, *rows[1:]))


def origin_text(results: Mapping[str, Any]) -> str:
    """Return what :func:`provenance` put among the results as the end of a sentence."""
    machine = results['machine']
    versions = ', '.join(f'{name} {version}' for name, version in results['versions'].items())
    return (f'({versions}); {machine["cpu"]}, {machine["cores"]} cores, load '
            f'{machine["load"]:.1f}, {machine["os"]}, Linux {machine["kernel"]}; commit '
            f'{results["commit"]}.')


def _machine() -> dict[str, object]:
    return {
        'cpu': cpu_name(),
        'cores': len(os.sched_getaffinity(0)),
        'load': os.getloadavg()[0],
        'architecture': platform.machine(),
        'os': platform.freedesktop_os_release().get('PRETTY_NAME', platform.system()),
        'kernel': platform.release(),
    }


def _commit() -> str:
    # Only where git knows this very file: an installed package may lie in somebody else's
    # repository, whose commit says nothing about it.
    here = Path(__file__)
    try:
        subprocess.run(['git', 'ls-files', '--error-unmatch', here.name], cwd=here.parent,
                       check=True, capture_output=True)
        found = subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'],
            cwd=here.parent, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return found.stdout.strip()


def _versions(packages: Sequence[str]) -> dict[str, str]:
    versions = {'python': platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
