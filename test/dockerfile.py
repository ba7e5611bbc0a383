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
"""What a Dockerfile says, instruction by instruction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """
    One instruction.

    :param word: in capital letters.
    :param text: the rest, lines that go on joined.
    """

    word: str
    text: str


@dataclass(frozen=True)
class Stage:
    """A FROM and what follows it; ``name`` is empty where it has none."""

    base: str
    name: str
    instructions: list[Instruction]

    def texts(self, word: str) -> list[str]:
        """Return the texts of the instructions of a kind."""
        return [each.text for each in self.instructions if each.word == word]


def stages(file: Path) -> list[Stage]:
    """Return the stages of a Dockerfile; arguments before FROM are put into it."""
    found: list[Stage] = []
    defaults: dict[str, str] = {}
    for instruction in _instructions(file.read_text(encoding='utf-8')):
        if instruction.word == 'FROM':
            text = expanded(instruction.text, defaults)
            base, _, name = text.partition(' AS ')
            found.append(Stage(base, name, []))
        elif found:
            found[-1].instructions.append(instruction)
        else:
            assert instruction.word == 'ARG', instruction
            name, _, value = instruction.text.partition('=')
            defaults[name] = value
    return found


def expanded(text: str, values: dict[str, str]) -> str:
    """Return a text with ${NAME} and $NAME replaced."""
    return re.sub(r'\$\{?(\w+)\}?', lambda match: values.get(match[1], match[0]), text)


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith('#')]
    joined = re.sub(r'\\\n\s*', '', '\n'.join(lines))
    return [Instruction(*line.strip().split(' ', 1)) for line in joined.splitlines()
            if line.strip()]
