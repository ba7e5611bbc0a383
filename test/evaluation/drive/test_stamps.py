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
"""Images and labels, matched by stamp."""

from hypothesis import given
from hypothesis import strategies as st

from frm_perception.evaluation.drive.stamps import match_stamps

stamps = st.dictionaries(st.integers(0, 30), st.integers(0, 40), max_size=12)


def test_the_nearest_within_the_tolerance_win() -> None:
    images = {0: 100, 1: 200, 2: 300, 3: 400}
    labels = {0: 104, 1: 199, 2: 202, 3: 306}

    assert match_stamps(images, labels, 5) == {0: 0, 1: 1}
    assert match_stamps(images, labels, 6) == {0: 0, 1: 1, 2: 3}
    assert match_stamps(images, {7: 100}, 0) == {0: 7}


def test_labels_between_two_images_go_to_the_nearer_one_even_if_it_is_later() -> None:
    assert match_stamps({0: 100, 1: 106}, {0: 104}, 5) == {1: 0}


@given(images=stamps, labels=stamps, tolerance=st.integers(0, 20))
def test_a_match_is_one_to_one_near_and_leaves_no_pair_over(
        images: dict[int, int], labels: dict[int, int], tolerance: int) -> None:
    found = match_stamps(images, labels, tolerance)

    assert len(set(found.values())) == len(found)
    assert all(abs(images[image] - labels[number]) <= tolerance
               for image, number in found.items())
    left_images = set(images) - set(found)
    left_labels = set(labels) - set(found.values())
    assert not any(abs(images[image] - labels[number]) <= tolerance
                   for image in left_images for number in left_labels)
