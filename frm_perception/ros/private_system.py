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
"""A ROS system of our own: a domain that nobody uses, on this computer only."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from pathlib import Path

from frm_perception.runtime.share import share_folder
from frm_perception.runtime.shared_memory import PROFILE_VARIABLE
from frm_perception.runtime.shared_memory import SEGMENT_BYTES
from frm_perception.runtime.shared_memory import SHARED_MEMORY

IMAGE_PROFILE = 'fastdds_shm.xml'

# Domains whose ports lie above those that Linux gives to outgoing connections, and which hardly
# anybody uses: a robot's own system is most likely in 0 to 101.
_DOMAINS = range(215, 233)


def free_domain() -> int:
    """
    Return a ROS domain in which no process of this computer takes part at the moment.

    :raises OSError: every domain that may be used is taken.
    """
    offset = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[offset:], *_DOMAINS[:offset]):
        if not _has_participant(domain):
            return domain
    raise OSError(
        errno.EADDRINUSE, f'all ROS domains from {_DOMAINS[0]} to {_DOMAINS[-1]} are in use')


def private_environment(domain: int) -> dict[str, str]:
    """
    Return this process' environment for children that are a ROS system of their own.

    Discovery stays on this computer.
    """
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain),
                   'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    # Both of these would overrule the line above.
    environment.pop('ROS_LOCALHOST_ONLY', None)
    environment.pop('ROS_STATIC_PEERS', None)
    if environment.get('ROS_DISTRO') == 'humble':
        environment['ROS_LOCALHOST_ONLY'] = '1'  # its only way; later distributions warn about it
    # Where ROS comes from wheels nobody has sourced a setup file.
    environment.setdefault('AMENT_PREFIX_PATH', sys.prefix)
    return environment


def image_profile() -> dict[str, str]:
    """Return the environment that gives images enough shared memory; the user's choice wins."""
    chosen = os.environ.get(PROFILE_VARIABLE)
    if chosen is not None:
        return {PROFILE_VARIABLE: chosen}
    return {PROFILE_VARIABLE: str(share_folder('config') / IMAGE_PROFILE)}


def message_profile() -> dict[str, str]:
    """Return the environment that sends small messages by UDP; a site's own profile wins."""
    chosen = os.environ.get(PROFILE_VARIABLE)
    if chosen is not None and Path(chosen).name != IMAGE_PROFILE:
        return {PROFILE_VARIABLE: chosen}
    return {PROFILE_VARIABLE: str(share_folder('config') / 'fastdds_udp.xml')}


def shared_memory_warning(processes: int) -> str:
    """Return what to do about a ``/dev/shm`` too small for so many processes, or nothing."""
    free = shutil.disk_usage(SHARED_MEMORY).free
    needed = processes * SEGMENT_BYTES
    if free >= needed:
        return ''
    return (f'{SHARED_MEMORY} has {free / 2**20:.0f} MiB free; {processes} processes with large '
            f'shared memory need {needed / 2**20:.0f} MiB. Without it Fast DDS sends images by '
            f'UDP and loses most of them. Make it larger: "docker run --shm-size=512m", or '
            f'"mount -o remount,size=512m {SHARED_MEMORY}" as root.')


def _has_participant(domain: int) -> bool:
    # RTPS 2.3, 9.6.1.1: the first participant of a domain listens for unicast discovery here.
    port = 7400 + 250 * domain + 10
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('', port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False
