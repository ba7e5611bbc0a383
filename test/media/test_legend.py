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
"""The legend says what label values mean, and is read back as it was written."""

from __future__ import annotations

import json

import pytest

from frm_perception.labels import CAMVID
from frm_perception.labels import CITYSCAPES
from frm_perception.labels import LabelSpace
from frm_perception.media.legend import legend_space
from frm_perception.media.legend import legend_text


@pytest.mark.parametrize('space', [CAMVID, CITYSCAPES], ids=lambda space: space.name)
def test_a_legend_is_read_back_as_it_was_written(space: LabelSpace) -> None:
    assert legend_space(legend_text(space)) == space
    some = legend_space(legend_text(space, ['road', 'car']))
    assert sorted(some.drivable) == ['car', 'road']


def _changed(**classes: object) -> str:
    content = json.loads(legend_text(CAMVID))
    content['classes'][0].update(classes)
    return json.dumps(content)


@pytest.mark.parametrize('text', [
    '', 'sky', '[]', '{}', '{"classes": 1, "label_space": "a"}', _changed(id=3),
    _changed(color=[1, 2]), _changed(color=[1, 2, 300]), _changed(name='road')])
def test_what_is_no_legend_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='is not a legend: '):
        legend_space(text)
