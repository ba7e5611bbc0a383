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
What `~/metrics` says each second: the numbers of `/diagnostics`, for programs.

One JSON object in a `std_msgs/String`: ROS has no standard message for them (those of
`statistics_msgs` hold averages, deviations and counts, and no percentiles), and one of our own
would have to be installed wherever somebody listens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from diagnostic_msgs.msg import DiagnosticStatus

from frm_perception.ros.diagnostics import NodeStatus
from frm_perception.ros.diagnostics import PartStatus
from frm_perception.ros.diagnostics import percentile_keys
from frm_perception.ros.records import TIMES
from frm_perception.ros.records import WINDOW
from frm_perception.ros.time_keeper import RANK

VERSION = 1
"""Of the schema; it grows when a key is taken away or changes its meaning, not for a new key."""

LEVELS = {DiagnosticStatus.OK: 'OK', DiagnosticStatus.WARN: 'WARN',
          DiagnosticStatus.ERROR: 'ERROR'}

TOP = {
    'version': ('integer', f'of this schema: {VERSION}'),
    'node': ('text', 'full name of the node'),
    'stamp_s': ('number', "seconds on the node's clock, as the stamp of `/diagnostics` says"),
    'engine': ('object', 'see below'),
    'cameras': ('object', 'an object for each camera, by its name; empty before configure'),
}
STATUS = {
    'level': ('text', ', '.join(LEVELS.values())),
    'message': ('text', 'what is the matter, and what to do about it'),
}
ENGINE = {
    **STATUS,
    'state': ('text', 'unconfigured, configuring, inactive, active or finalized'),
    'problem': ('text', 'why the latest transition failed; empty: it did not'),
    'model': ('text', 'name of the bundle'),
    'sha256': ('text', "of the model's file, 64 hexadecimal digits"),
    'network': ('text', 'as `frm networks` names it'),
    'backbone': ('text', 'of the network'),
    'precision': ('text', 'as asked for'),
    'precision_run': ('text', 'what the convolutions of the first inference computed in'),
    'resolution': ('text', "HEIGHTxWIDTH of the network's input"),
    'provider_asked': ('text', 'as asked for'),
    'provider': ('text', 'what ran the convolutions of the first inference'),
    'threads': ('integer', 'of one inference'),
    'batch': ('integer', 'images of different cameras in one inference, at most'),
    'batch_note': ('text', 'what was measured of batches; null where none were asked for'),
    'fit': ('text', 'how images are fitted'),
    'kernels': ('text', 'what computes labels from logits'),
    'output_size': ('text', 'camera or network'),
    'unanswered_s': ('number', 'for how long images have come and none was answered; 0.0: they '
                               'are answered, or none comes'),
    'building': ('text', 'what is special about the engine that is being built; empty: none is'),
    'building_s': ('number', 'how long that has been wanted'),
    'failed_change': ('text', 'why the latest change of the engine failed; empty: it did not'),
    'deadline_ms': ('number', 'as asked for; 0.0: none'),
    'frame_ms': ('number', f'{RANK} % of the latest frames took no longer from their turns to '
                           'their masks; null: no deadline, or too few frames'),
    'rung': ('integer', 'which of the rungs answers now, 0: what was asked for; null: no '
                        'deadline'),
    'rungs': ('text', 'resolutions and precisions, from what was asked for to the floor'),
    'steps': ('integer', 'from rung to rung, since the engine was asked for'),
    'latest_step': ('text', 'where to, and why'),
    'memory_mib': ('number', 'resident memory of the process'),
    'restarts': ('integer', 'how often a failing engine was started again'),
    **{f'{transition}_ms': ('number', f'how long the latest {transition} took')
       for transition in ('configure', 'activate', 'deactivate', 'cleanup')},
    'jetson_stats': ('text', 'read, not installed, or why jetson-stats tells nothing; without it '
                             'the following are null'),
    'gpu_load_percent': ('number', 'of a Jetson'),
    'hottest_c': ('number', 'highest temperature of a Jetson, in degrees Celsius'),
    'temperatures_c': ('text', 'names and temperatures of the sensors of a Jetson'),
    'power_mode': ('text', 'of a Jetson, as nvpmodel calls it'),
    'power_w': ('number', 'what a Jetson draws, in watts'),
}
CAMERA = {
    **STATUS,
    'topic': ('text', 'resolved name of where images are taken from'),
    'transport': ('text', 'raw or compressed'),
    'rate_in_hz': ('number', 'images received a second, over the latest reports'),
    'rate_out_hz': ('number', 'images answered a second, over the latest reports'),
    'received': ('integer', 'images since the node was configured by hand'),
    'answered': ('integer', 'of those: label and drivable were published'),
    'dropped': ('integer', 'of those: a newer one came before its turn, or the node was '
                           'deactivated'),
    'paused': ('integer', 'of those: the parameter paused was true'),
    'unwanted': ('integer', 'of those: nobody had subscribed to anything of this camera'),
    'limited': ('integer', 'of those: sooner than max_rate allows'),
    'stale': ('integer', 'of those: older than max_age'),
    'malformed': ('integer', 'of those: no image that can be read'),
    'failed': ('integer', 'of those: inference or publishing raised an error'),
    'in_flight': ('integer', 'of those: not decided yet'),
    'lost': ('integer', 'images that the middleware says never came; null where it cannot tell'),
    'unfit_camera_infos': ('integer', 'images that the camera info did not fit'),
    'batched': ('integer', 'of the answered since configure: in one inference with others'),
    'one_class_frames': ('integer', 'answers in succession that show one class alone'),
    'last_problem': ('text', 'what was wrong with the latest image that got no answer for a '
                             'fault'),
    **{key: ('number', f'percentiles of the latest {WINDOW} frames: {meaning}')
       for time, meaning in TIMES.items() for key in percentile_keys(time)},
}
"""Key -> kind of its value, where that is not null, and its meaning."""


def metrics_text(node: str, stamp_s: float, status: NodeStatus) -> str:
    """
    Return the JSON object that :data:`TOP` describes; what is not known (yet) is null.

    :param node: full name of the node.
    :param stamp_s: time on the node's clock, in seconds.
    """
    return json.dumps({
        'version': VERSION,
        'node': node,
        'stamp_s': stamp_s,
        'engine': _content(status.engine, ENGINE),
        'cameras': {name: _content(part, CAMERA) for name, part in status.cameras.items()},
    })


def metrics_tables() -> str:
    """Return the schema as Markdown, as docs/metrics.md has it: what means the same in one row."""
    return '\n\n'.join(
        f'## {title}\n\n| key | kind | meaning |\n| --- | --- | --- |\n' + '\n'.join(
            f'| {" ".join(f"`{key}`" for key in alike)} | {kind} | {meaning} |'
            for (kind, meaning), alike in groupby(keys, keys.__getitem__))
        for title, keys in (('The message', TOP), ('`engine`', ENGINE), ('Each camera', CAMERA)))


def _content(part: PartStatus, keys: Iterable[str]) -> dict[str, str | float | None]:
    found = {'level': LEVELS[part.level], 'message': part.message, **part.values}
    return {key: found.get(key) for key in keys}
