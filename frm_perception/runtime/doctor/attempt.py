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
Really run an inference, in a process of its own: a library that does not fit may end the process.

The tiny model has what every model of this package has: kernels of ONNX Runtime's own (a cast, a
transposition, arithmetic) and of the vendor's libraries (a convolution). It is so small that
TensorRT need not compile it for minutes.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.engines import EngineOptions
from frm_perception.runtime.engines import open_engine

LIMIT_S = 300.0
"""TensorRT starts slowly; what takes longer than this for so small a model hangs."""
SIZE = (64, 64)
_TINY = Path(__file__).with_name('tiny.onnx')
_RESULT = 'frm doctor attempt: '
_TELLING = ('error', 'fail', 'cannot open')
_ESCAPE = re.compile(r'\x1b\[[0-9;]*m')


@dataclass(frozen=True)
class Attempt:
    """
    What came of an inference.

    :param provider: what really ran the convolutions; empty: nothing did.
    :param precision: what they computed in.
    :param problem: why that is not what was asked for; empty where it is.
    :param note: what else the engine has to say.
    """

    provider: str
    precision: str
    problem: str
    note: str = ''


def try_provider(provider: str, limit_s: float = LIMIT_S) -> Attempt:
    """Run the tiny model with a provider, one of ONNX Runtime's or 'openvino'."""
    return _apart({'provider': provider}, limit_s)


def try_bundle(folder: Path, load: Mapping[str, Any], limit_s: float = LIMIT_S) -> Attempt:
    """
    Load a bundle as the node would, and run it once.

    :param load: arguments of :meth:`frm_perception.runtime.segmenter.Segmenter.load`: texts and
        numbers.
    """
    return _apart({'bundle': str(folder), **load}, limit_s)


def main() -> int:
    """Do what the JSON object on standard input asks for, in the process of its own."""
    task = json.loads(sys.stdin.read())
    bundle = task.pop('bundle', None)
    try:
        done = _tiny(task['provider']) if bundle is None else _bundle(Path(bundle), task)
    except (ValueError, EngineError, OSError) as error:
        done = Attempt('', '', str(error))
    print(f'\n{_RESULT}{json.dumps(asdict(done))}', flush=True)
    return 0


def _tiny(provider: str) -> Attempt:
    engine = open_engine(_TINY.read_bytes(), 'the trial model',
                         EngineOptions(provider=provider, size=SIZE))
    try:
        return Attempt(engine.provider, engine.precision, engine.fallback or '',
                       engine.note or '')
    finally:
        engine.close()


def _bundle(folder: Path, load: dict[str, Any]) -> Attempt:
    # What compiles code when it is imported is not for those who try a provider.
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.segmenter import Segmenter
    with Segmenter.load(Bundle.load(folder), **load) as segmenter:
        info = segmenter.info
        return Attempt(info.provider, info.precision_run, info.fallback or '', info.note or '')


def _apart(task: Mapping[str, Any], limit_s: float) -> Attempt:
    try:
        process = subprocess.run(
            [sys.executable, '-m', __name__], input=json.dumps(task), capture_output=True,
            encoding='utf-8', errors='replace', timeout=limit_s)
    except subprocess.TimeoutExpired:
        return Attempt('', '', f'it took longer than {limit_s:.0f} s')
    said = _telling(process.stderr)
    for line in process.stdout.splitlines():
        if line.startswith(_RESULT):
            done = Attempt(**json.loads(line.removeprefix(_RESULT)))
            return replace(done, problem=_with(done.problem, said), note=_with(done.note, said))
    how = (f'the process was ended by {signal.Signals(-process.returncode).name}'
           if process.returncode < 0 else f'the process ended with status {process.returncode}')
    return Attempt('', '', f'{how}. {said}' if said else how)


def _with(text: str, said: str) -> str:
    """Return what is the matter, if anything is, with what libraries said of it."""
    return f'{text}. {said}' if text and said and said not in text else text


def _telling(text: str) -> str:
    """Return the last line of what libraries printed that says what went wrong, or nothing."""
    lines = [_ESCAPE.sub('', line).strip() for line in text.splitlines()
             if any(word in line.lower() for word in _TELLING)]
    # ONNX Runtime begins with a time, places in its sources, and the signature of a function.
    return lines[-1].rpartition(' : FAIL : ')[2] if lines else ''


if __name__ == '__main__':
    sys.exit(main())
