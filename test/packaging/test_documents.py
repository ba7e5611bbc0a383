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
"""What the documents refer to is there."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md'),
                    *(ROOT / 'models').glob('*/*.md')])


def text_of(name: str) -> str:
    """Return the text of a document in the root of the package."""
    return (ROOT / name).read_text(encoding='utf-8')


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_to_files(document: Path) -> None:
    links = re.findall(r'\]\(((?!\w+:)[^)#\s]+)', document.read_text(encoding='utf-8'))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize('document', [
    'CONTRIBUTING.md', 'SECURITY.md', 'QUALITY_DECLARATION.md', 'docs/features.md',
    'docs/devices.md', 'docs/doctor.md', 'docs/jetson.md', 'docs/metrics.md', 'docs/nav2.md',
    'docs/vehicle.md'])
def test_the_readme_leads_to_the_document(document: str) -> None:
    assert f']({document})' in text_of('README.md')


def test_the_quality_declaration_names_every_ros_package_that_the_node_needs() -> None:
    needed = {str(element.text) for element in
              ElementTree.fromstring(text_of('package.xml')).findall('exec_depend')}
    declared = text_of('QUALITY_DECLARATION.md').partition('## 5 ')[2]
    assert {name for name in needed
            if not name.startswith('python3-') and f'`{name}`' not in declared} == set()


FEATURES = [line for line in text_of('docs/features.md').splitlines()
            if line.startswith('| ') and not line.startswith(('| feature', '| ---'))]


@pytest.mark.parametrize('row', FEATURES, ids=lambda row: row.split('|')[1].strip())
def test_what_shows_a_feature_is_there(row: str) -> None:
    shown = re.findall('`([^`]+)`', row.split('|')[3])
    assert shown
    for what in shown:
        file, _, name = what.partition('::')
        if name:
            assert re.search(f'^def {name}\\(', (ROOT / file).read_text('utf-8'), re.MULTILINE)
        else:
            assert what.startswith(('frm ', 'make ', 'ros2 '))
