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
"""What tells one engine of the cache from another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frm_perception.runtime.engine_cache import EngineKey

names = st.text('abc', min_size=1, max_size=2)
texts = st.dictionaries(names, st.text(max_size=3), max_size=2)
keys = st.builds(
    EngineKey, engine=names, model=names,
    shapes=st.dictionaries(names, st.lists(st.integers(1, 3), max_size=2).map(tuple), max_size=2),
    precision=names, options=texts, versions=texts, device=texts)


@given(keys, keys)
def test_keys_have_one_digest_exactly_where_they_are_equal(a: EngineKey, b: EngineKey) -> None:
    assert (a.digest == b.digest) == (a == b)


@given(keys)
def test_a_digest_does_not_depend_on_the_order_in_which_things_were_named(key: EngineKey) -> None:
    def reordered(mapping: Any) -> Any:
        return dict(reversed(mapping.items()))
    other = replace(key, shapes=reordered(key.shapes), options=reordered(key.options),
                    versions=reordered(key.versions), device=reordered(key.device))
    assert other.digest == key.digest


@given(keys, st.sampled_from(['engine', 'model', 'precision']))
def test_every_text_of_a_key_counts(key: EngineKey, field: str) -> None:
    assert replace(key, **{field: getattr(key, field) + 'x'}).digest != key.digest


@given(keys, st.sampled_from(['options', 'versions', 'device']), names, st.text(max_size=3))
def test_every_option_version_and_property_counts(
        key: EngineKey, field: str, name: str, value: str) -> None:
    before = getattr(key, field)
    changed = replace(key, **{field: {**before, name: value}})
    assert (changed.digest == key.digest) == (before.get(name) == value)


def test_a_digest_stays_what_it_is_from_one_release_to_the_next() -> None:
    # Otherwise an update of this package would make every vehicle build its engines again.
    key = EngineKey(
        engine='test', model='ab' * 32, shapes={'image': (1, 96, 160, 3)}, precision='fp32',
        options={'threads': '2'}, versions={'onnxruntime': '1.31.1'},
        device={'model name': 'none'})
    assert key.digest == (
        '8e17d278e04276e7b0f84d76177b495594298e8bdf5f28d6a42479fc0db11588')
