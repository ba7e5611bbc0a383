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
"""What SECURITY.md says of the code that runs on a vehicle is read from that code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'frm_perception'
SECURITY = (ROOT / 'SECURITY.md').read_text(encoding='utf-8')

MODULES = sorted([PACKAGE / 'labels.py', *(
    path for room in ('ros', 'runtime', 'media') for path in (PACKAGE / room).rglob('*.py'))])
"""What a vehicle runs."""

NETWORK = {'socket', 'socketserver', 'ssl', 'http', 'urllib', 'ftplib', 'smtplib', 'xmlrpc',
           'webbrowser', 'requests', 'urllib3', 'httpx', 'aiohttp', 'websockets', 'paramiko'}
PROGRAMS = {'subprocess', 'pty', 'multiprocessing', 'runpy', 'code', 'codeop'}
OBJECTS = {'pickle', 'shelve', 'marshal', 'dill', 'cloudpickle', 'joblib', 'jsonpickle'}
NATIVE = {'ctypes', 'cffi'}
LIBRARIES = NETWORK | PROGRAMS | OBJECTS | NATIVE
CALLS = re.compile(
    r'(eval|exec|compile|__import__|os\.(system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)'
    r'|yaml\.(load|full_load|unsafe_load)\w*|torch\.load|importlib\.\w+|tempfile\.mktemp)')
ARGUMENTS = {'shell', 'allow_pickle'}

EXCEPTIONS = {
    'media/label_checks.py': {'multiprocessing'},
    'ros/children.py': {'runpy', 'subprocess'},
    'ros/private_system.py': {'socket'},
    'runtime/doctor/attempt.py': {'subprocess'},
    'runtime/doctor/clock.py': {'ctypes'},
    'runtime/doctor/software.py': {'subprocess'},
    'runtime/nvidia.py': {'ctypes'},
    'runtime/service_manager.py': {'socket'},
    'runtime/engines/binding.py': {'ctypes'},
}
"""What SECURITY.md names, with its reason, and nothing else."""


def findings(source: str) -> set[str]:
    """Return the libraries, calls and arguments in a module that need an exception."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition('.')[0] for alias in node.names} & LIBRARIES
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {str(node.module).partition('.')[0]} & LIBRARIES
            found |= {name for alias in node.names
                      if CALLS.fullmatch(name := f'{node.module}.{alias.name}')}
        elif isinstance(node, ast.Call):
            found |= {name for name in [ast.unparse(node.func)] if CALLS.fullmatch(name)}
            found |= {argument for keyword in node.keywords
                      if (argument := str(keyword.arg)) in ARGUMENTS
                      and not (isinstance(keyword.value, ast.Constant)
                               and keyword.value.value is False)}
    return found


@pytest.mark.parametrize(('source', 'expected'), [
    ('import pickle', {'pickle'}),
    ('import urllib.request as r', {'urllib'}),
    ('def f():\n    from socket import socket', {'socket'}),
    ('from os import system', {'os.system'}),
    ('import os\nos.system("ls")', {'os.system'}),
    ('import os\nos.execv(a, b)', {'os.execv'}),
    ('eval(text)', {'eval'}),
    ('run(command, shell=True)', {'shell'}),
    ('run(command, shell=False)', set()),
    ('np.load(file, allow_pickle=answer)', {'allow_pickle'}),
    ('yaml.load(text, Loader)', {'yaml.load'}),
    ('yaml.safe_load(text)', set()),
    ('re.compile(text)', set()),
    ('model.eval()', set()),
])
def test_the_search_finds_what_it_is_for(source: str, expected: set[str]) -> None:
    assert findings(source) == expected


def test_a_vehicle_runs_no_pickle_no_shell_no_network_and_no_native_code_but_these() -> None:
    found = {str(path.relative_to(PACKAGE)): findings(path.read_text(encoding='utf-8'))
             for path in MODULES}
    assert {path: names for path, names in found.items() if names} == EXCEPTIONS


def test_the_exceptions_are_in_security_md() -> None:
    rows = dict(re.findall(r'^\| `([\w/]+\.py)` \| (.+?) \|', SECURITY, re.MULTILINE))
    named = {path: set(re.findall(r'`(\w+)`', names)) for path, names in rows.items()}
    assert named == EXCEPTIONS


def test_the_contact_is_the_maintainers() -> None:
    package = (ROOT / 'package.xml').read_text(encoding='utf-8')
    address = re.search(r'maintainer email="([^"]+)"', package)
    assert address is not None and address[1] in SECURITY
