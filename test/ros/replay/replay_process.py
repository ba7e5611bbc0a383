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
"""`frm bag replay` in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

DEADLINE_S = 60.0


class ReplayProcess:
    """`frm bag replay`, and what it says."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open('w') as output:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'frm_perception.cli.main', 'bag', 'replay', *arguments],
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self) -> ReplayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        print(self.said())

    def said(self) -> str:
        """Return what it has said until now."""
        return self._log.read_text()

    def end(self) -> int:
        """Wait for its end; return the exit status."""
        return self.process.wait(DEADLINE_S)

    def interrupt(self) -> int:
        """Do as Ctrl-C does; return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.end()


def replay(log: Path, *arguments: str) -> tuple[int, str]:
    """Run `frm bag replay` to its end; return the exit status and what it said."""
    with ReplayProcess(log, *arguments) as running:
        return running.end(), running.said()
