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
"""Label spaces as YAML: a section of a bundle's manifest, or a file of its own."""

from __future__ import annotations

from pathlib import Path

from frm_perception.labels import LabelSpace
from frm_perception.labels import generated_palette
from frm_perception.labels import label_space
from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.manifest import Section
from frm_perception.runtime.manifest import brief
from frm_perception.runtime.manifest import read_section

SUFFIXES = ('.yaml', '.yml')


def find_label_space(name: str) -> LabelSpace:
    """
    Return a label space by its name, or from a YAML file where the name ends like one.

    The file has the keys ``name``, ``classes`` (in the order of their ids) and ``drivable``, and
    may have ``palette`` (one [red, green, blue] a class; otherwise colours are generated) and
    ``ignore`` (ids that stand for nothing, such as void, beside 255).

    :raises ValueError: no such name, or the file cannot be read or is wrong; the message names
        the file and the key.
    """
    if not name.lower().endswith(SUFFIXES):
        try:
            return label_space(name)
        except ValueError as error:
            raise ValueError(f'{error}, or a file that ends in {" or ".join(SUFFIXES)}') from error
    section = read_section(Path(name))
    palette = None
    if 'palette' not in section.keys():
        palette = generated_palette(len(section.texts('classes')))
    ignore = section.integers('ignore', None, 0, 255) if 'ignore' in section.keys() else ()
    return parse_label_space(section, palette, ignore)


def parse_label_space(section: Section, palette: tuple[tuple[int, int, int], ...] | None = None,
                      ignore: tuple[int, ...] = ()) -> LabelSpace:
    """
    Return the label space of a section that holds nothing else.

    :param palette: where the section has none.
    :param ignore: see :class:`LabelSpace`.
    :raises BundleError: a key is missing, unknown or wrong.
    """
    name = section.text('name')
    classes = section.texts('classes')
    if palette is None:
        palette = section.triples('palette')
    drivable = section.texts('drivable')
    section.close()
    try:
        return LabelSpace(name, classes, palette, drivable, ignore)
    except ValueError as error:
        raise BundleError(f'{section.file}: {brief(error)}') from error
