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
"""Images that are kept on disk come back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from frm_perception.ros.replay.spool import Spool


def test_images_come_back_as_they_were_in_any_order(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (height, 7), np.uint8) for height in range(1, 60)]
    with Spool(tmp_path) as spool:
        kept = [spool.put(lambda image=image: image) for image in images]
        for image, place in reversed(list(zip(images, kept, strict=True))):
            assert (spool.get(place.result()) == image).all()


def test_a_view_comes_back_as_what_it_shows(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)[:, 2:5]
    with Spool(tmp_path) as spool:
        assert (spool.get(spool.put(lambda: image).result()) == image).all()


def test_what_goes_wrong_with_one_image_is_raised_for_that_one(tmp_path: Path) -> None:
    def broken() -> NDArray[np.uint8]:
        raise ValueError('no image')

    with Spool(tmp_path) as spool:
        bad, good = spool.put(broken), spool.put(lambda: np.zeros((1, 1), np.uint8))
        assert good.result().shape == (1, 1)
        with pytest.raises(ValueError, match='no image'):
            bad.result()


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.put(lambda: np.zeros((1, 1), np.uint8)).result()
    assert list(tmp_path.iterdir()) == []
