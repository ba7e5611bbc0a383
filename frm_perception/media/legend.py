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
"""
The legend: what label values mean and look like, as JSON that needs no message package.

The node publishes it, and bags with true labels hold it. `vision_msgs/LabelInfo` knows neither
colours nor what is drivable, and is not there everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from frm_perception.labels import IGNORE
from frm_perception.labels import LabelSpace

Colors = Mapping[str, tuple[int, int, int]]


def check_colors(space: LabelSpace, colors: Colors) -> None:
    """
    Refuse colours of classes that are not there.

    :raises ValueError: a name that is not in the label space.
    """
    unknown = [name for name in colors if name not in space.classes]
    if unknown:
        raise ValueError(f'palette names {", ".join(map(repr, unknown))}, but the classes of the '
                         f'model are {", ".join(space.classes)}')


def painted(space: LabelSpace, colors: Colors) -> LabelSpace:
    """
    Return a label space with other colours.

    :param colors: red, green and blue by name of a class; the others keep theirs, and names that
        are not in the space, such as those of a model that is yet to come, count for nothing.
    """
    return replace(space, palette=tuple(
        colors.get(name, color) for name, color in zip(space.classes, space.palette)))


def legend_text(space: LabelSpace, drivable: Sequence[str] = ()) -> str:
    """
    Return the legend of a label space: one JSON object.

    Its `classes` are in the order of their ids, each with `id`, `name`, `color` (`[red, green,
    blue]`, 0 to 255) and `drivable`; `unlabelled` is the value of pixels without a class.

    :param drivable: names of the classes that count as drivable; empty means the space's own.
    :raises ValueError: a name that is not in the label space.
    """
    lut = space.drivable_lut(drivable)
    return json.dumps({
        'label_space': space.name,
        'unlabelled': IGNORE,
        'classes': [
            {'id': index, 'name': name, 'color': list(color), 'drivable': bool(lut[index])}
            for index, (name, color) in enumerate(zip(space.classes, space.palette))],
    })


def legend_space(text: str) -> LabelSpace:
    """
    Return the label space that a legend describes.

    :raises ValueError: it is no legend as :func:`legend_text` writes it.
    """
    try:
        content: Any = json.loads(text)
        classes = content['classes']
        if [int(item['id']) for item in classes] != list(range(len(classes))):
            raise ValueError('its ids do not count from 0')
        return LabelSpace(
            str(content['label_space']), tuple(str(item['name']) for item in classes),
            tuple((int(red), int(green), int(blue))
                  for red, green, blue in (item['color'] for item in classes)),
            tuple(str(item['name']) for item in classes if item['drivable']))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{text[:80]!r} is not a legend: {type(error).__name__}: '
                         f'{error}') from error
