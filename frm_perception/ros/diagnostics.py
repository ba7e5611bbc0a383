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
"""What `/diagnostics` says: a status for each camera and one for the engine."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
from rclpy.node import Node

from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.records import CameraRecord

ONE_CLASS_FRAMES = 30
"""So many answers in succession of one class alone are worth a warning."""

_CLOCKS_DISAGREE_MS = 60e3


def camera_status(
        node: Node, camera: str, record: CameraRecord, counts: FrameCounts, topics: CameraTopics,
        silence: float | None) -> DiagnosticStatus:
    """
    Return one camera's status and remember its counts for the next.

    :param topics: where its images come from.
    :param silence: seconds since the last message where that is too long; else None.
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
    elif silence is not None:
        level, message = DiagnosticStatus.WARN, f'no image for {silence:.0f} s'
    elif latency is not None and abs(latency[0]) > _CLOCKS_DISAGREE_MS:
        level, message = DiagnosticStatus.WARN, (
            f"the images' stamps are {abs(latency[0]) / 1e3:.0f} s away from the node's clock: "
            'is use_sim_time set as it should be?')
    elif record.one_class_frames >= ONE_CLASS_FRAMES:
        level, message = DiagnosticStatus.WARN, (
            f'the latest {record.one_class_frames} answers are {record.one_class} everywhere: is '
            'the lens covered, and is it the right model?')
    elif counts.received == before.received:
        message = 'no image since the last report'
    elif counts.unwanted > before.unwanted:
        message = 'idle: nobody has subscribed to anything of this camera'
    values: dict[str, object] = {
        'topic': topics.input,
        'transport': topics.transport,
        'rate_in_hz': f'{rate_in:.1f}',
        'rate_out_hz': f'{rate_out:.1f}',
        'received': counts.received,
        'answered': counts.answered,
        'dropped': counts.dropped,
        'unwanted': counts.unwanted,
        'limited': counts.limited,
        'stale': counts.stale,
        'malformed': counts.malformed,
        'failed': counts.failed,
        'in_flight': counts.in_flight,
        'lost': 'unknown' if topics.lost is None else topics.lost,
        'unfit_camera_infos': record.unfit_infos,
        'one_class_frames': record.one_class_frames,
        'last_problem': record.last_problem,
    }
    for name, percentiles in times.items():
        values.update(_percentile_values(name, percentiles))
    return make_status(node, camera, level, message, values)


def make_status(
        node: Node, part: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """
    Return a status of a part of the node.

    `hardware_id` is the node's full name: two nodes in different namespaces have equal names.
    """
    return DiagnosticStatus(
        name=f'{node.get_name()}: {part}', level=level, message=message,
        hardware_id=node.get_fully_qualified_name(),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])


def _percentile_values(
        kind: str, percentiles: tuple[float, float, float] | None
) -> dict[str, str]:
    """Return `<kind>_p50_ms` and so on; empty text before the first frame."""
    texts = ['', '', ''] if percentiles is None else [f'{value:.1f}' for value in percentiles]
    return {f'{kind}_p{rank}_ms': text for rank, text in zip((50, 95, 99), texts)}
