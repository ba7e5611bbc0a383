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
"""What ran a network, as a runtime tells after an inference, beside what was asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from frm_perception.runtime.engines.engine import EngineOptions

PRECISIONS = ('fp32', 'fp16', 'bf16', 'int8')
UNTOLD = 'as TensorRT chose'
"""Stands for the precision of what TensorRT compiled: ONNX Runtime does not tell it."""


@dataclass(frozen=True)
class Proof:
    """
    The convolutions and matrix products of an inference, counted.

    :param providers: how many each provider ran.
    :param precisions: how many computed in each of :data:`PRECISIONS`, or :data:`UNTOLD`.
    """

    providers: Counter[str]
    precisions: Counter[str]

    @property
    def provider(self) -> str:
        """The provider that ran most of them."""
        return self.providers.most_common(1)[0][0]

    @property
    def precision(self) -> str:
        """What they computed in: 'fp32', or '60 int8, 9 fp32'."""
        if len(self.precisions) == 1:
            return next(iter(self.precisions))
        return ', '.join(f'{count} {name}' for name, count in self.precisions.most_common())

    def other_provider(self, wanted: str, claim: str) -> str | None:
        """
        Say what the wanted provider did not do, if anything.

        :param claim: how the sentence begins: who wanted it.
        """
        if set(self.providers) == {wanted}:
            return None
        shares = ', '.join(f'{name} ran {count}' for name, count in self.providers.most_common())
        return (f'{claim}, but of {self.providers.total()} convolutions and matrix products '
                f'{shares}')

    def other_precision(self, asked: str) -> str | None:
        """
        Say that most of the work was done in another precision, if it was.

        Part of a network may well stay in a higher precision, where a lower one would hurt.
        """
        most = self.precisions.most_common(1)[0][0]
        if asked not in PRECISIONS or most in (asked, UNTOLD):
            return None
        return (f'precision {asked} was asked for, but of {self.precisions.total()} convolutions '
                f'and matrix products {self.precisions[most]} ran in {most}')


def claim(options: EngineOptions, wanted: str) -> str:
    """Return who wanted that provider, as the beginning of a sentence."""
    if options.provider == 'auto':
        return f'provider auto chose {wanted}'
    return f'provider {wanted} was asked for'
