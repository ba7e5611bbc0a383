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
Child processes that never outlive their parent.

``python -m frm_perception.ros.children LIFELINE MODULE [ARGUMENT...]`` runs a module as such a
child; :class:`Children` starts them. LIFELINE is a pipe that the parent never writes to: it ends
when the parent does. In a child SIGTERM raises :class:`SystemExit`, so that ``finally`` blocks
run, unless the module installs another handler.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from types import TracebackType
from typing import IO
from typing import Any

_STOP_SECONDS = 5.0


class ChildError(RuntimeError):
    """A child process ended, failed or did not answer in time; the message says which and why."""


def report(event: str, **values: object) -> None:
    """Tell the parent something (called in a child): one line of JSON on standard output."""
    print(json.dumps({'event': event, **values}), flush=True)


class Child:
    """A running child: its reports, its standard input and its log."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path,
                 lifeline: int) -> None:
        self.name = name
        self.log = log
        self._lifeline = lifeline
        self._process = process
        self._reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, line: str) -> None:
        """Write a line to the child's standard input; a child that is gone is not told."""
        with contextlib.suppress(BrokenPipeError):
            _input_of(self._process).write(line + '\n')
            _input_of(self._process).flush()

    def reports(self, timeout: float = 0.0) -> list[dict[str, Any]]:
        """
        Return what the child reported since the last call, waiting up to ``timeout`` seconds.

        :raises ChildError: nothing is left to read and the child has ended with an error.
        """
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._reports.get(timeout=timeout) if timeout
                         else self._reports.get_nowait())
            while True:
                found.append(self._reports.get_nowait())
        if not found:
            self.check()
        return found

    def expect(self, event: str, timeout: float) -> dict[str, Any]:
        """
        Wait for one event, passing over others, and return it.

        :raises ChildError: the child ended, or ``timeout`` seconds passed.
        """
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                found = self._reports.get(timeout=min(left, 0.2))
            except queue.Empty:
                if self._process.poll() is not None and self._reports.empty():
                    raise self.error(f'ended before it reported {event!r}') from None
                continue
            if found['event'] == event:
                return found
        raise self.error(f'did not report {event!r} within {timeout:.0f} s')

    def check(self) -> None:
        """Raise :class:`ChildError` if the child has ended with an error."""
        code = self._process.poll()
        if code:
            raise self.error(f'ended with {_describe(code)}')

    def require_running(self) -> None:
        """Raise :class:`ChildError` if the child has ended, in whatever way."""
        code = self._process.poll()
        if code is not None:
            raise self.error(f'ended with {_describe(code)}')

    def error(self, what: str) -> ChildError:
        """Return an error that names the child, the end of its log and where the log is."""
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()[-15:]
        tail = '\n'.join(f'    {line}' for line in lines) or '    (it is empty)'
        return ChildError(f'the {self.name} {what}. The end of {self.log}:\n{tail}')

    def ask_to_stop(self) -> None:
        """Close the child's input and send SIGTERM, so that it can give back shared memory."""
        with contextlib.suppress(BrokenPipeError):
            _input_of(self._process).close()
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic seconds), then kill; return when it is gone."""
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        os.close(self._lifeline)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines, self.log.open('a', encoding='utf-8') as log:
            for line in lines:
                # A line that is no report was printed by a library: it belongs in the log.
                try:
                    self._reports.put(_parse_report(line))
                except ValueError:
                    log.write(line)
                    log.flush()


class Children:
    """
    Context manager that starts children and ends them all, whatever ends the block.

    Children have a session of their own, so that Ctrl-C reaches only the parent, which ends them
    in order. SIGTERM ends the block as Ctrl-C does. Should the parent be killed outright, its
    children notice and end themselves. To be used in the main thread.

    :param logs: folder for one log a child; it is made.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Child] = []
        self._old_handler: Any = None

    def __enter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._old_handler = signal.signal(signal.SIGTERM, _exit_on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        # A second Ctrl-C must not interrupt the clean-up and leave children behind.
        old_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.stop()
        signal.signal(signal.SIGINT, old_interrupt)
        signal.signal(signal.SIGTERM, self._old_handler)

    def stop(self) -> None:
        """End all children; return when they are gone."""
        for child in self._running:
            child.ask_to_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._running:
            child.wait(deadline)
        self._running.clear()

    def start(self, name: str, module: str, arguments: Sequence[str],
              environment: Mapping[str, str]) -> Child:
        """Start ``python -m module arguments``; errors of it go to ``<logs>/<name>.log``."""
        log = self._logs / f'{name}.log'
        theirs, ours = os.pipe()
        # Two write to the log, the child and what reads its output: only appending is safe.
        log.write_bytes(b'')
        with log.open('a', encoding='utf-8') as file:
            process = subprocess.Popen(
                [sys.executable, '-m', 'frm_perception.ros.children', str(theirs), module,
                 *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True,
                env=dict(environment), pass_fds=(theirs,), start_new_session=True)
        os.close(theirs)
        child = Child(name, process, log, ours)
        self._running.append(child)
        return child


def _exit_on_signal(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _input_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


def _parse_report(line: str) -> dict[str, Any]:
    found = json.loads(line)
    if not isinstance(found, dict) or 'event' not in found:
        raise ValueError('not a report')
    return found


def _describe(code: int) -> str:
    return f'signal {signal.Signals(-code).name}' if code < 0 else f'exit status {code}'


def _end_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)
    # Once only: a second signal would cut short the clean-up that gives back shared memory.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    time.sleep(_STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _run_as_child(lifeline: int, module: str, arguments: list[str]) -> None:
    signal.signal(signal.SIGTERM, _exit_on_signal)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    _run_as_child(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
