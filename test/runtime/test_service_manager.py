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
"""What the service manager is told arrives at its socket, and nothing waits or fails for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frm_perception.runtime.service_manager import ServiceManager


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a path for a socket that is short enough for one: it is relative."""
    monkeypatch.chdir(tmp_path)
    return 'notify'


@pytest.mark.parametrize('abstract', [False, True])
def test_what_is_told_arrives_at_a_socket_with_a_path_and_at_an_abstract_one(
        socket_path: str, abstract: bool) -> None:
    name = f'@frm_perception_test_{os.getpid()}' if abstract else socket_path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind('\0' + name[1:] if abstract else name)
        listener.settimeout(5.0)
        manager = ServiceManager({'NOTIFY_SOCKET': name})
        manager.tell(READY=1, STATUS='two\nlines')
        assert listener.recv(4096) == b'READY=1\nSTATUS=two lines'
        assert manager.problem == ''


def test_where_nobody_listens_nothing_happens() -> None:
    manager = ServiceManager({'WATCHDOG_USEC': '5000000'})
    manager.tell(READY=1)
    assert (manager.problem, manager.watchdog_s) == ('', None)


@pytest.mark.parametrize('address', ['/nowhere/notify', '@' + 'long' * 40, 'zero\0', 'vsock:2:1'])
def test_a_listener_that_cannot_be_reached_is_a_problem_and_no_exception(address: str) -> None:
    manager = ServiceManager({'NOTIFY_SOCKET': address})
    manager.tell(READY=1)
    assert 'was not told' in manager.problem


def test_a_listener_that_reads_nothing_is_not_waited_for(socket_path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(socket_path)
        manager = ServiceManager({'NOTIFY_SOCKET': socket_path})
        for _ in range(10000):
            manager.tell(STATUS='x' * 1000)
            if manager.problem:
                break
        assert 'was not told' in manager.problem
        listener.recv(4096)
        manager.tell(WATCHDOG=1)
        assert manager.problem == ''


@pytest.mark.parametrize(('environment', 'seconds'), [
    ({'WATCHDOG_USEC': '30000000'}, 30.0),
    ({'WATCHDOG_USEC': '30000000', 'WATCHDOG_PID': str(os.getpid())}, 30.0),
    ({'WATCHDOG_USEC': '30000000', 'WATCHDOG_PID': '1'}, None),
    ({'WATCHDOG_USEC': '0'}, None), ({'WATCHDOG_USEC': 'soon'}, None), ({}, None)])
def test_the_watchdog_is_read_where_it_is_meant_for_this_process(
        environment: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager({'NOTIFY_SOCKET': '/x', **environment}).watchdog_s == seconds


@given(st.text())
def test_no_text_adds_an_assignment_of_its_own(text: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f'@frm_perception_property_{os.getpid()}'
    with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind('\0' + name[1:])
        listener.settimeout(5.0)
        ServiceManager({'NOTIFY_SOCKET': name}).tell(STATUS=text, WATCHDOG=1)
        assert [line.partition('=')[0] for line in listener.recv(1 << 20).decode().split('\n')] \
            == ['STATUS', 'WATCHDOG']
