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
"""What several commands take as arguments."""

from __future__ import annotations

import argparse
import re


def image_size(text: str) -> tuple[int, int]:
    """
    Return the (height, width) that HEIGHTxWIDTH says, in pixels.

    :raises argparse.ArgumentTypeError: the text is something else.
    """
    match = re.fullmatch('([0-9]{2,4})x([0-9]{2,4})', text)
    if match is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not HEIGHTxWIDTH, such as 512x1024')
    return int(match[1]), int(match[2])


def positive(text: str) -> float:
    """
    Return a number that is more than 0.

    :raises argparse.ArgumentTypeError: the text is something else.
    """
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f'{text!r} is not more than 0')
    return value


def count(text: str) -> int:
    """
    Return a whole number that is 1 or more.

    :raises argparse.ArgumentTypeError: the text is something else.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not 1 or more')
    return value


def node_name(text: str) -> str:
    """Return the full name of a node, whose leading slash may be left out."""
    return '/' + text.strip('/')
