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
"""An endless, numbered row of training samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from frm_perception.training.augmentation import Augmentation
from frm_perception.training.augmentation import Image
from frm_perception.training.augmentation import paste
from frm_perception.training.data.sources import Source


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """
    An endless, numbered row of augmented samples.

    Sample n depends on the seed and n alone, whatever was drawn before it: a run that is resumed
    at n sees exactly what it would have seen.

    :param pasted: numbers of the classes that the augmentation pastes.
    """

    def __init__(self, sources: Sequence[Source], augmentation: Augmentation, seed: int,
                 pasted: Sequence[int] = ()) -> None:
        weights = np.array([source.weight for source in sources])
        self._probabilities = weights / weights.sum()
        self._sources = sources
        self._augmentation = augmentation
        self._seed = seed
        self._pasted = pasted

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return (3, h, w) uint8 RGB and (h, w) uint8 positions in the targets."""
        random = np.random.default_rng((self._seed, index))
        image, labels = self._crop(random)
        if random.random() < self._augmentation.config.paste:
            paste(image, labels, *self._crop(random), self._pasted)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)

    def _crop(self, random: np.random.Generator) -> tuple[Image, Image]:
        source = self._sources[random.choice(len(self._sources), p=self._probabilities)]
        image, labels = source.images[random.integers(len(source.images))].read()
        return self._augmentation(image, source.table[labels], random)
