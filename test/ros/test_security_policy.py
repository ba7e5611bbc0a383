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
"""
The SROS 2 policy allows what a running node does, and nothing else.

That DDS Security then enforces it is not tested: the Fast DDS of the wheels is built without it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from node_graph import OPTIONAL_OUTPUTS
from node_graph import Graph
from node_graph import graph_of
from node_process import Probe
from node_process import SegmenterProcess

POLICY = Path(__file__).parents[2] / 'config' / 'security' / 'segmenter.policy.xml'
OPTIONAL = {f'camera/segmentation/{output}' for output in OPTIONAL_OUTPUTS}
JAZZY_AND_LATER = {'segmenter/get_type_description'}


def profile() -> ElementTree.Element:
    """Return the profile of the node, the only one."""
    root = ElementTree.parse(POLICY).getroot()
    assert root.tag == 'policy' and root.get('version') == '0.2.0'
    found, = root.findall('enclaves/enclave/profiles/profile')
    return found


def allowed(kind: str, what: str) -> set[str]:
    """Return the names of topics or services for which something is allowed."""
    names = [str(element.text) for group in profile().findall(kind) if group.get(what) == 'ALLOW'
             for element in group]
    assert names == sorted(names, key=lambda name: (not name[0].isalpha(), name))
    assert len(names) == len(set(names))
    return {name.replace('~', 'segmenter', 1) for name in names}


@pytest.fixture(scope='module')
def graphs(probe: Probe, models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Graph]:
    """Return the graph of active nodes: with raw images, and with compressed ones and /clock."""
    found = []
    for parameters in ({'transport': 'raw'}, {'transport': 'compressed', 'use_sim_time': True}):
        log = tmp_path_factory.mktemp('policy') / 'log'
        with SegmenterProcess(probe, log, model_dir=models, **parameters) as node:
            assert node.change_state('configure') and node.change_state('activate')
            found.append(graph_of(probe, node, subscriptions=1 + len(parameters)))
    return found


def test_the_policy_is_of_the_node_under_its_own_name() -> None:
    assert (profile().get('ns'), profile().get('node')) == ('/', 'segmenter')
    assert {(group.tag, *group.attrib.items()) for group in profile()} == {
        ('topics', ('subscribe', 'ALLOW')), ('topics', ('publish', 'ALLOW')),
        ('services', ('reply', 'ALLOW'))}


def test_no_name_of_the_policy_stands_for_more_than_itself() -> None:
    text = ElementTree.tostring(profile(), encoding='unicode')
    assert not set('*?[') & set(text)


def test_the_node_may_publish_exactly_what_it_publishes(graphs: list[Graph]) -> None:
    published = set().union(*(graph.publishers for graph in graphs))
    assert allowed('topics', 'publish') - OPTIONAL == published - OPTIONAL
    assert published <= allowed('topics', 'publish')
    assert OPTIONAL <= allowed('topics', 'publish')


def test_the_node_may_subscribe_to_exactly_what_it_subscribes_to(graphs: list[Graph]) -> None:
    assert allowed('topics', 'subscribe') == set().union(
        *(graph.subscriptions for graph in graphs))


def test_the_node_may_answer_exactly_the_services_that_it_has(graphs: list[Graph]) -> None:
    served = set().union(*(graph.services for graph in graphs))
    assert allowed('services', 'reply') - JAZZY_AND_LATER == served - JAZZY_AND_LATER
    assert served <= allowed('services', 'reply')


def test_the_node_calls_no_service_and_may_call_none(graphs: list[Graph]) -> None:
    assert [graph.clients for graph in graphs] == [{}, {}]
    assert allowed('services', 'request') == set()
