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
"""The state of the node, as it stands in `/diagnostics`: of the engine and of each camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from rclpy.node import Node

from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.records import CameraRecord

ONE_CLASS_FRAMES = 30
"""So many answers in succession of one class alone are worth a warning."""

Values = Mapping[str, str | float | None]
"""Texts and numbers by name, with the unit in it; None is what is not known."""

_CLOCKS_DISAGREE_MS = 60e3


@dataclass(frozen=True)
class PartStatus:
    """
    The state of the engine or of a camera.

    :param level: one of `diagnostic_msgs/DiagnosticStatus`.
    :param message: what is the matter, and what to do about it.
    """

    level: bytes
    message: str
    values: Values


@dataclass(frozen=True)
class NodeStatus:
    """
    The state of the node at one moment: what `/diagnostics` and `~/metrics` say.

    :param cameras: by the names of the parameter; empty before configure.
    """

    engine: PartStatus
    cameras: Mapping[str, PartStatus]


def camera_status(
        record: CameraRecord, counts: FrameCounts, topics: CameraTopics, silence: str
) -> PartStatus:
    """
    Return one camera's status and remember its counts for the next.

    :param topics: where its images come from.
    :param silence: what to say of it where there was no message for too long; else empty.
    """
    before, record.reported = record.reported, counts
    times = {name: window.percentiles() for name, window in record.times.items()}
    latency = times['latency']
    rate_in, rate_out = record.rates(counts)
    level, message = DiagnosticStatus.OK, 'images are answered'
    if counts.failed > before.failed:
        level, message = DiagnosticStatus.ERROR, f'frames fail: {record.last_problem}'
    elif counts.malformed > before.malformed:
        level, message = DiagnosticStatus.WARN, f'malformed images: {record.last_problem}'
    elif counts.stale > before.stale:
        level, message = DiagnosticStatus.WARN, (
            f'images are too old: {record.last_problem}; is use_sim_time set as it should be, '
            'and do the clocks agree?')
    elif silence:
        level, message = DiagnosticStatus.WARN, silence
    elif latency is not None and abs(latency[0]) > _CLOCKS_DISAGREE_MS:
        level, message = DiagnosticStatus.WARN, (
            f"the images' stamps are {abs(latency[0]) / 1e3:.0f} s away from the node's clock: "
            'is use_sim_time set as it should be?')
    elif one_class := one_class_trouble(record):
        level, message = DiagnosticStatus.WARN, one_class
    elif counts.received == before.received:
        message = 'no image since the last report'
    elif counts.paused > before.paused:
        message = 'paused: see the engine'
    elif counts.unwanted > before.unwanted:
        message = 'idle: nobody has subscribed to anything of this camera'
    values: dict[str, str | float | None] = {
        'topic': topics.input,
        'transport': topics.transport,
        'rate_in_hz': rate_in,
        'rate_out_hz': rate_out,
        'received': counts.received,
        'answered': counts.answered,
        'dropped': counts.dropped,
        'paused': counts.paused,
        'unwanted': counts.unwanted,
        'limited': counts.limited,
        'stale': counts.stale,
        'malformed': counts.malformed,
        'failed': counts.failed,
        'in_flight': counts.in_flight,
        'lost': topics.lost,
        'unfit_camera_infos': record.unfit_infos,
        'batched': record.batched,
        'one_class_frames': record.one_class_frames,
        'last_problem': record.last_problem,
    }
    for name, percentiles in times.items():
        values.update(zip(percentile_keys(name), percentiles or (None, None, None)))
    return PartStatus(level, message, values)


def one_class_trouble(record: CameraRecord) -> str:
    """Say what to look at where answer after answer shows one class alone; else nothing."""
    if record.one_class_frames < ONE_CLASS_FRAMES:
        return ''
    return (f'the latest {record.one_class_frames} answers are {record.one_class} everywhere: is '
            'the lens covered, and is it the right model?')


def percentile_keys(time: str) -> tuple[str, ...]:
    """Return the names of the percentiles of a time of a frame."""
    return tuple(f'{time}_p{rank}_ms' for rank in (50, 95, 99))


def diagnostic_statuses(node: Node, status: NodeStatus) -> list[DiagnosticStatus]:
    """
    Return the node's state as the statuses of a `diagnostic_msgs/DiagnosticArray`.

    `hardware_id` is the node's full name: two nodes in different namespaces have equal names.
    """
    return [
        DiagnosticStatus(
            name=f'{node.get_name()}: {name}', level=part.level, message=part.message,
            hardware_id=node.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=_text(value)) for key, value in part.values.items()])
        for name, part in (('engine', status.engine), *status.cameras.items())]


def _text(value: str | float | None) -> str:
    """Return a value as text: numbers with one decimal, nothing for what is not known."""
    if value is None:
        return ''
    return f'{value:.1f}' if isinstance(value, float) else str(value)
