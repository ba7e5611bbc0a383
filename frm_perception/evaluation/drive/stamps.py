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
"""Which true labels belong to which images, by their stamps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from itertools import islice


def match_stamps(images: Mapping[int, int], labels: Mapping[int, int], tolerance_ns: int
                 ) -> dict[int, int]:
    """
    Return for each image that has labels which ones these are; the nearest pairs come first.

    No labels go to two images. Of pairs that are equally near, that of the earlier image in the
    bag counts, and then that of the earlier labels.

    :param images: number of the message -> stamp, in nanoseconds.
    :param labels: likewise.
    :param tolerance_ns: stamps of a pair are this far apart at most, in nanoseconds.
    :return: number of the image -> number of its labels.
    """
    by_stamp = sorted((stamp, number) for number, stamp in labels.items())
    pairs = []
    for image, stamp in images.items():
        first = bisect_left(by_stamp, (stamp - tolerance_ns,))
        for there, number in islice(by_stamp, first, None):
            if there > stamp + tolerance_ns:
                break
            pairs.append((abs(there - stamp), image, number))
    found: dict[int, int] = {}
    taken = set()
    for _, image, number in sorted(pairs):
        if image not in found and number not in taken:
            found[image] = number
            taken.add(number)
    return found
