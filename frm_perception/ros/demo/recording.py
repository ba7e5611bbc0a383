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
"""One run of the demo's three processes, from the first frame to the last answer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from frm_perception.media.files import MediaError
from frm_perception.ros.children import Child
from frm_perception.ros.children import Children
from frm_perception.ros.demo.source import Source
from frm_perception.ros.demo.supervisor import Diagnosis
from frm_perception.ros.demo.supervisor import Supervisor

_START_SECONDS = 20.0
_LOAD_SECONDS = 120.0
_DRAIN_SECONDS = 30.0
_SETTLE_NS = 10**9
_GIVE_UP_NS = 3 * 10**9


@dataclass(frozen=True)
class Recording:
    """
    What happened.

    :param sent: stamps of the published frames, in nanoseconds, in order.
    :param latency_ms: stamp of each answered frame -> milliseconds until both masks had arrived.
    :param diagnosis: the segmenter's last word.
    :param seconds: how long the camera published.
    """

    sent: Sequence[int]
    latency_ms: dict[int, float]
    diagnosis: Diagnosis
    seconds: float

    def frames(self) -> dict[str, int]:
        """
        Return what became of the frames: all but 'sent' add up to 'sent'.

        'dropped' are those that a newer frame overtook while the segmenter was at work, 'lost'
        those that DDS did not bring to the segmenter or back from it.
        """
        counts = self.diagnosis.counts
        return {
            'sent': len(self.sent),
            'answered': len(self.latency_ms),
            'dropped': counts['dropped'],
            'malformed': counts['malformed'],
            'failed': counts['failed'],
            'unfinished': counts['in_flight'],
            'lost_before_segmenter': len(self.sent) - counts['received'],
            'lost_after_segmenter': counts['answered'] - len(self.latency_ms),
        }


def record(source: Source, parameters: Sequence[str], answers: Path, children: Children,
           profile: Mapping[str, str]) -> Recording:
    """
    Run camera, segmenter and recorder; :func:`..recorder.read_answer` finds the masks after.

    The environment must already be that of the demo's own ROS system.

    :param parameters: ROS arguments of the segmenter.
    :param answers: folder for the masks.
    :param children: starts the processes; they are gone on return.
    :param profile: environment of those who publish images, beside what all have.
    :raises frm_perception.ros.children.ChildError: a process failed.
    :raises frm_perception.media.files.MediaError: a frame of the source cannot be read.
    """
    publishing = {**os.environ, **profile}
    supervisor = Supervisor()
    try:
        camera = children.start(
            'camera', 'frm_perception.ros.demo.camera', source.arguments(), publishing)
        segmenter = children.start(
            'segmenter', 'frm_perception.ros.segmenter', parameters, publishing)
        recorder = children.start(
            'recorder', 'frm_perception.ros.demo.recorder', [str(answers)], os.environ)
        # The camera is there before the segmenter subscribes, so no first frame is missed.
        camera.expect('started', _START_SECONDS)
        supervisor.activate(segmenter, _LOAD_SECONDS)
        recorder.expect('ready', _START_SECONDS)
        camera.expect('ready', _START_SECONDS)
        return _Stream(source.count, camera, segmenter, recorder, supervisor).run()
    finally:
        supervisor.close()
        children.stop()


class _Stream:
    """The time from the camera's start to the segmenter's last answer."""

    def __init__(self, count: int, camera: Child, segmenter: Child, recorder: Child,
                 supervisor: Supervisor) -> None:
        self._camera = camera
        self._segmenter = segmenter
        self._recorder = recorder
        self._supervisor = supervisor
        self._sent: list[int] = []
        self._latency_ms: dict[int, float] = {}
        self._progress = tqdm(total=count, desc='streaming', unit='frame')

    def run(self) -> Recording:
        with self._progress:
            self._camera.tell('start')
            seconds = None
            while seconds is None:
                seconds = self._follow()
            deadline = time.monotonic() + _DRAIN_SECONDS
            while not self._is_settled():
                self._follow()
                if time.monotonic() > deadline:
                    raise self._segmenter.error(
                        f'was not done {_DRAIN_SECONDS:.0f} s after the last frame')
        return Recording(
            self._sent, self._latency_ms, self._supervisor.diagnosis, seconds)

    def _follow(self) -> float | None:
        """Take in what the processes reported; return the camera's seconds once it is done."""
        self._supervisor.spin(0.05)
        self._segmenter.require_running()
        seconds = None
        for found in self._camera.reports():
            if found['event'] == 'sent':
                self._sent.append(found['stamp'])
                self._progress.update()
            elif found['event'] == 'unreadable':
                raise MediaError(f'{found["reason"]}; {len(self._sent)} frames were played')
            elif found['event'] == 'done':
                seconds = found['seconds']
        for found in self._recorder.reports():
            if found['event'] == 'answer':
                self._latency_ms[found['stamp']] = found['latency_ms']
        if self._latency_ms:
            self._progress.set_postfix(
                answered=len(self._latency_ms),
                latency=f'{list(self._latency_ms.values())[-1]:.0f} ms', refresh=False)
        return seconds

    def _is_settled(self) -> bool:
        """Tell whether the segmenter's counts are final and its answers are here."""
        diagnosis = self._supervisor.diagnosis
        if not self._sent:
            return True
        age = diagnosis.stamp - self._sent[-1]
        all_answers = len(self._latency_ms) == diagnosis.counts['answered']
        all_received = len(self._sent) == diagnosis.counts['received']
        idle = diagnosis.counts['in_flight'] == 0
        if all_received or age > _SETTLE_NS:
            return idle and (all_answers or age > _GIVE_UP_NS)
        return False
