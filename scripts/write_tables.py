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
Write the tables of the documents anew from what the code declares, and devices have reported.

``python -m scripts.write_tables [FOLDER]``; without a folder the documents are the package's.
A table stands between a line `<!-- table: NAME -->` and a line `<!-- end of table -->`.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from frm_perception.evaluation.device.report import devices_table
from frm_perception.ros.metrics import metrics_tables
from frm_perception.ros.parameter_table import parameters_table
from frm_perception.ros.topic_table import topics_table

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ('README.md', 'docs/devices.md', 'docs/metrics.md')
REPORTS = ROOT / 'docs' / 'devices'
_MARKED = re.compile(r'(<!-- table: (\w+) -->\n).*?(\n<!-- end of table -->)', re.DOTALL)


def arguments_table() -> str:
    """
    Return the arguments of `segment.launch.py` as Markdown, as README.md has them.

    :raises ImportError: the package launch, or another one that the launch file needs, is missing.
    """
    file = ROOT / 'launch' / 'segment.launch.py'
    spec = importlib.util.spec_from_file_location('segment_launch', file)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows = ['| argument | default | meaning |', '| --- | --- | --- |']
    for argument in module.ARGUMENTS:
        texts = [getattr(part, 'text', '') for part in argument.default_value]
        default = f'`{texts[0]}`' if any(texts) else ''
        meaning = argument.description.partition(' Valid choices are: ')[0]  # which launch adds
        choices = [choice for choice in argument.choices or () if choice and choice.islower()]
        rows.append(f'| `{argument.name}` | {default} '
                    f'| {meaning.removesuffix(f" {module.FROM_FILE}")}'
                    + (f' Possible: {", ".join(choices)}.' if choices else '') + ' |')
    return '\n'.join(rows)


def tables() -> dict[str, str]:
    """Return every table that can be written here, by its name."""
    found = {'topics': topics_table(), 'parameters': parameters_table(),
             'metrics': metrics_tables(), 'devices': devices_table(REPORTS)}
    try:
        found['arguments'] = arguments_table()
    except ImportError as error:
        print(f'the table of launch arguments stays as it is, for it needs ros2 launch: {error}',
              file=sys.stderr)
    return found


def rewritten(text: str, contents: Mapping[str, str]) -> str:
    """Return a document with those of its tables written anew that there is a content for."""
    return _MARKED.sub(
        lambda mark: mark[1] + contents[mark[2]] + mark[3] if mark[2] in contents else mark[0],
        text)


def main(arguments: Sequence[str]) -> None:
    """Write the documents of the package, or of the folder that an argument names."""
    folder = Path(arguments[0]) if arguments else ROOT
    contents = tables()
    for name in DOCUMENTS:
        document = folder / name
        document.write_text(
            rewritten(document.read_text(encoding='utf-8'), contents), encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1:])
