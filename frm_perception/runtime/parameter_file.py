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
"""The parameters that a file of ROS gives a node, read without ROS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.manifest import read_section
from frm_perception.runtime.manifest import shown

_PARAMETERS = 'ros__parameters'


def read_parameter_file(file: Path, node: str) -> dict[str, Any]:
    """
    Return the parameters that a file has for a node; those of nested names with dots in between.

    Names may have wildcards, as https://design.ros2.org/articles/160_ros_command_line_arguments.html
    says; where several match, what stands further down counts.

    :param node: full name of the node, such as '/segmenter'.
    :raises BundleError: the file cannot be read, is not YAML, or has nothing for that node.
    """
    top = read_section(file)
    nodes = list(_nodes({key: top.mapping(key) for key in top.keys()}, ''))
    if not nodes:
        raise BundleError(f'{file} has no {_PARAMETERS}, below which a node has its parameters')
    matching = [section for name, section in nodes if _matches(name, node)]
    if not matching:
        raise BundleError(f'{file} has nothing for the node {node}; it has parameters of '
                          f'{", ".join(name for name, _ in nodes)}')
    values: dict[str, Any] = {}
    for section in matching:
        if not isinstance(section, Mapping):
            raise BundleError(f'{file}: {_PARAMETERS} must be a mapping, not {shown(section)}')
        values.update(_flat(section, ''))
    return values


def _nodes(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the parameters of each node, in the order of the file."""
    for key, value in content.items():
        if key == _PARAMETERS:
            yield prefix, value
        elif isinstance(value, Mapping):
            yield from _nodes(value, f'{prefix}/{str(key).strip("/")}')


def _matches(name: str, node: str) -> bool:
    parts = {'**': '(/[^/]+)*', '*': '/[^/]+'}
    pattern = ''.join(parts.get(part, f'/{re.escape(part)}')
                      for part in name.split('/') if part)
    return re.fullmatch(pattern, node) is not None


def _flat(section: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f'{prefix}{key}.'))
        else:
            found[f'{prefix}{key}'] = value
    return found
