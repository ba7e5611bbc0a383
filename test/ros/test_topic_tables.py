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
"""The README's table of topics is what a running node has."""

from __future__ import annotations

import re
from pathlib import Path

from node_graph import OF_RCLPY
from node_graph import OPTIONAL_OUTPUTS
from node_graph import graph_of
from node_process import Probe
from node_process import SegmenterProcess

README = Path(__file__).parents[2] / 'README.md'
ROW = re.compile(r'\| (in|out|out, lazy) \| `([^`]+)` \| `([^`]+)`[^|]*\| [^|]+ \|')


def documented() -> dict[tuple[str, str], str]:
    """Return direction and name of every topic of the table, and its type."""
    text = README.read_text(encoding='utf-8').partition('## Topics')[2].partition('\n## ')[0]
    rows = [line for line in text.splitlines() if line.startswith('| ')][1:]
    found = [match.groups() for match in map(ROW.fullmatch, rows[1:]) if match]
    assert len(found) == len(rows) - 1, 'every row is read'
    return {(direction.partition(',')[0], topic.replace('~', 'segmenter')):
            kind.replace('/', '/msg/') for direction, topic, kind in found}


def test_the_table_of_topics_is_what_a_node_reads_and_publishes(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(probe, tmp_path / 'log', model_dir=models, cameras=['front', 'rear'],
                          transport='raw,compressed') as node:
        assert node.change_state('configure') and node.change_state('activate')
        graph = graph_of(probe, node, subscriptions=4)
    has = {(direction, re.sub('^(front|rear)/', 'C/', topic)): kind
           for direction, topics in (('in', graph.subscriptions), ('out', graph.publishers))
           for topic, kind in topics.items() if topic not in OF_RCLPY}
    optional = {('out', f'C/segmentation/{output}'): kind
                for output, kind in OPTIONAL_OUTPUTS.items()}
    assert documented() == {**optional, **has}
