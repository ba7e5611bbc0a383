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
"""Whether a loaded model is what its bundle's manifest says."""

from __future__ import annotations

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.engines import Engine
from frm_perception.runtime.manifest import BundleError


def check_against_manifest(engine: Engine, bundle: Bundle, precision: str, size: tuple[int, int]
                           ) -> None:
    """
    Refuse a model whose tensors are not those that the manifest describes.

    :param size: (height, width) of the network's input.
    :raises BundleError: the message says what differs.
    """
    stride = bundle.output.stride
    classes = len(bundle.label_space.classes)
    checks = (
        ('input name', bundle.input.name, engine.input.name),
        ('output name', bundle.output.name, engine.output.name),
        (f'output shape for an input of {size}', (1, classes, *(side // stride for side in size)),
         engine.first_shape))
    for what, expected, found in checks:
        if expected != found:
            raise BundleError(
                f'{bundle.folder / bundle.entry(precision).file} does not fit its manifest: '
                f'{what} is {found}, the manifest says {expected}. Copy the bundle again, or '
                f'export it again.')
