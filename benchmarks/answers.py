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
"""Hears the answers of nodes, and how old the image is by then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from probe import Probe
from sensor_msgs.msg import Image


class Heard(NamedTuple):
    """
    A mask that was heard.

    :param at: steady time, in seconds.
    :param latency_ms: from the image's stamp to then.
    """

    at: float
    latency_ms: float


class Answers:
    """
    Keeps when each drivable mask was heard, by the camera that it is of, and the newest labels.

    :param prefixes: what the topics of a camera's answers begin with, by its name.
    """

    def __init__(self, probe: Probe, prefixes: Mapping[str, str]) -> None:
        self.heard: dict[str, list[Heard]] = {camera: [] for camera in prefixes}
        self.labels: dict[str, Image] = {}
        for camera, prefix in prefixes.items():
            probe.node.create_subscription(
                Image, f'{prefix}/segmentation/label',
                partial(self.labels.__setitem__, camera), 10)
            probe.node.create_subscription(
                Image, f'{prefix}/segmentation/drivable',
                partial(self._take, camera), 10)

    def _take(self, camera: str, message: Image) -> None:
        stamp = message.header.stamp
        now_ns, now = time.time_ns(), time.monotonic()
        self.heard[camera].append(
            Heard(now, (now_ns - stamp.sec * 10**9 - stamp.nanosec) / 1e6))

    def quiet(self, seconds: float) -> None:
        """Wait until nothing has been heard for so long: what was queued is answered."""
        while True:
            before = self.counts()
            time.sleep(seconds)
            if self.counts() == before:
                return

    def counts(self) -> dict[str, int]:
        """Return how many masks of each camera were heard."""
        return {camera: len(heard) for camera, heard in self.heard.items()}
