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
"""A real browser without a window: for tests of what people are to look at."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--no-first-run', '--disable-quic',
         '--disable-dev-shm-usage', '--hide-scrollbars', '--remote-debugging-pipe')
PATIENCE_S = 120.0


def find_browser() -> str | None:
    """Return the program, or None if there is none on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """
    Chromium, spoken to in its DevTools protocol through two pipes.

    :param program: of :func:`find_browser`.
    :param profile: an empty folder for all that it keeps.
    """

    def __init__(self, program: str, profile: Path) -> None:
        to_it, self._write = os.pipe()
        self._read, from_it = os.pipe()
        # It reads what it is told from descriptor 3 and answers on 4.
        self._process = subprocess.Popen(
            ['bash', '-c', f'exec "$@" 3<&{to_it} 4>&{from_it}', 'browser', program, *FLAGS,
             f'--user-data-dir={profile}'],
            pass_fds=(to_it, from_it), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_it)
        os.close(from_it)
        self._buffer = b''
        self._number = 0
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def open(self, file: Path, width: int = 1280, height: int = 900, dark: bool = False,
             script: bool = True) -> Page:
        """Open a file in a window of that size, and wait until it is there."""
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        page = Page(self, session)
        self._listeners.append(page.hear)
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            page.call(f'{domain}.enable')
        page.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        page.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        page.call('Emulation.setScriptExecutionDisabled', value=not script)
        page.call('Page.navigate', url=file.resolve().as_uri())
        self._listen(lambda: page.loaded)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Ask for something; return the answer, or raise RuntimeError with its error."""
        self._number += 1
        number = self._number
        message = {'id': number, 'method': method, 'params': parameters}
        if session:
            message['sessionId'] = session
        os.write(self._write, json.dumps(message).encode() + b'\0')
        answer: dict[str, Any] = {}

        def hear(heard: dict[str, Any]) -> None:
            if heard.get('id') == number:
                answer.update(heard)

        self._listeners.append(hear)
        self._listen(lambda: bool(answer))
        self._listeners.remove(hear)
        if 'error' in answer:
            raise RuntimeError(f'{method}: {answer["error"]}')
        return answer['result']

    def _listen(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not until():
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0))
            data = os.read(self._read, 2**20) if ready else b''
            if not data:
                raise RuntimeError('the browser has ended, or does not answer')
            *messages, self._buffer = (self._buffer + data).split(b'\0')
            for message in messages:
                for listener in tuple(self._listeners):
                    listener(json.loads(message))


class Page:
    """A page that is open: what it asked for (``requests``), what it logged (``complaints``)."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.loaded = False
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask something of the page."""
        return self._browser.call(method, self._session, **parameters)

    def hear(self, message: dict[str, Any]) -> None:
        """Take in what the browser tells of this page."""
        if message.get('sessionId') != self._session:
            return
        what, said = message.get('method'), message.get('params', {})
        if what == 'Page.loadEventFired':
            self.loaded = True
        elif what == 'Network.requestWillBeSent':
            self.requests.append(said['request']['url'])
        elif what == 'Log.entryAdded':
            self.complaints.append(said['entry']['text'])
        elif what in ('Runtime.exceptionThrown', 'Runtime.consoleAPICalled'):
            self.complaints.append(json.dumps(said))

    def evaluate(self, expression: str) -> Any:
        """Return the value of JavaScript in the page."""
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(f'{expression}: {result["exceptionDetails"]}')
        return result['result'].get('value')

    def press(self, key: str) -> None:
        """Press and release a key, such as ArrowRight."""
        for kind in ('keyDown', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key=key)

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window."""
        self.call('Input.dispatchMouseEvent', type='mouseMoved', x=x, y=y)

    def picture(self, file: Path | None = None) -> np.ndarray:
        """Return the whole page as (H, W, 3) uint8, and write it to a PNG if a file is given."""
        self.call('Page.bringToFront')  # nothing is drawn of a page behind another one
        size = self.call('Page.getLayoutMetrics')['cssContentSize']
        shot = self.call('Page.captureScreenshot', captureBeyondViewport=True,
                         clip={**size, 'scale': 1})
        data = base64.b64decode(shot['data'])
        if file:
            file.write_bytes(data)
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def pdf(self) -> bytes:
        """Return the page as it is printed on A4."""
        printed = self.call('Page.printToPDF', paperWidth=8.27, paperHeight=11.69,
                            preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed['data'])
