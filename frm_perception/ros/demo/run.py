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
"""The demo as a whole: what is asked for, checks, recording, pictures, figures."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rclpy.utilities import get_rmw_implementation_identifier

from frm_perception.evaluation.record import ROS_PACKAGES
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.record import provenance
from frm_perception.media.files import MediaError
from frm_perception.media.files import write_json
from frm_perception.ros.children import ChildError
from frm_perception.ros.children import Children
from frm_perception.ros.demo.drawing import SHEET
from frm_perception.ros.demo.drawing import VIDEO
from frm_perception.ros.demo.drawing import Accuracy
from frm_perception.ros.demo.drawing import Drawing
from frm_perception.ros.demo.recorder import ANSWER_PIXEL_BYTES
from frm_perception.ros.demo.recording import Recording
from frm_perception.ros.demo.recording import record
from frm_perception.ros.demo.source import DRIVE_PIXEL_BYTES
from frm_perception.ros.demo.source import Source
from frm_perception.ros.demo.source import open_recording
from frm_perception.ros.demo.source import render_drive
from frm_perception.ros.private_system import free_domain
from frm_perception.ros.private_system import image_profile
from frm_perception.ros.private_system import private_environment
from frm_perception.ros.private_system import shared_memory_warning
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.bundle import parse_resolution
from frm_perception.runtime.share import share_folder

SUMMARY = 'summary.json'
LOGS = 'logs'
_IMAGE_PUBLISHERS = 2
_PACKAGES = ('frm_perception', *ROS_PACKAGES, 'onnxruntime', 'numpy', 'opencv-python-headless')


class DemoError(RuntimeError):
    """The demo cannot start or did not work; the message says why and where to look."""


@dataclass(frozen=True)
class Options:
    """
    What is asked for.

    :param recording: 'video' or 'bag' and its path; None renders a drive.
    :param topic: image topic of a bag; '' takes the first one that can be read.
    :param output: folder for the results.
    :param frames: at most so many frames are published.
    :param rate: so many a second.
    :param seed: of the rendered drive.
    :param size: of the rendered drive, (height, width) in pixels.
    :param model_dir: folder of bundles; None takes the package's.
    :param backbone: as the segmenter's parameter of that name, like the three below.
    """

    recording: tuple[str, Path] | None
    topic: str
    output: Path
    frames: int
    rate: float
    seed: int
    size: tuple[int, int]
    model_dir: Path | None
    backbone: str
    resolution: str
    precision: str
    provider: str

    def node_arguments(self) -> list[str]:
        """Return the segmenter's ROS arguments."""
        values = {'backbone': self.backbone, 'resolution': self.resolution,
                  'precision': self.precision, 'provider': self.provider}
        if self.model_dir is not None:
            values['model_dir'] = str(self.model_dir)
        arguments = ['--ros-args']
        for name, value in values.items():
            # Quoted, or a name of digits only would become a number.
            arguments += ['-p', f'{name}:={json.dumps(value)}']
        return arguments


def run_demo(options: Options) -> str:
    """
    Run the demo and return what to print; shows progress on the way.

    :raises DemoError: it could not start, a process failed, or no frame was answered.
    """
    try:
        bundle = find_bundle(options.model_dir or share_folder('models'), options.backbone,
                             options.precision)
        parse_resolution(options.resolution, bundle)
        source, size = None, options.size
        if options.recording is not None:
            source, size = open_recording(
                *options.recording, options.frames, options.rate, options.topic)
        require_space(options.frames if source is None else source.count, size,
                      rendered=source is None)
    except (OSError, ValueError) as error:
        raise DemoError(str(error)) from error
    try:
        with tempfile.TemporaryDirectory(prefix='frm-demo-') as scratch, \
                Children(options.output / LOGS) as children:
            return _run(options, bundle, source, Path(scratch), children)
    except (ChildError, MediaError, OSError) as error:
        raise DemoError(str(error)) from error


def _run(options: Options, bundle: Bundle, source: Source | None, scratch: Path,
         children: Children) -> str:
    if source is None:
        source = render_drive(scratch, options.seed, options.size, options.frames, options.rate)
    domain = free_domain()
    if warning := shared_memory_warning(_IMAGE_PUBLISHERS):
        print(f'Warning: {warning}', file=sys.stderr)
    print(f'starting camera, segmenter and recorder in ROS domain {domain}, seen by this computer '
          f'only', file=sys.stderr)
    with _environment({**private_environment(domain), 'ROS_LOG_DIR': str(scratch / 'ros')}):
        recording = record(source, options.node_arguments(), scratch, children, image_profile())
    _require_answers(recording, options.output / LOGS)
    drawing = Drawing(source, recording, scratch, bundle.label_space)
    accuracy = drawing.draw(options.output)
    write_json(options.output / SUMMARY, {
        'source': _source_summary(options, source),
        'frames': recording.frames(),
        'latency_ms': percentiles(list(recording.latency_ms.values())),
        'accuracy': None if accuracy is None else {
            'drivable_iou': accuracy.drivable_iou,
            'mean_iou': accuracy.mean_iou if accuracy.class_iou else None,
            'class_iou': accuracy.class_iou},
        'segmenter': dict(recording.diagnosis.engine),
        'transport': {'rmw': get_rmw_implementation_identifier(), 'domain': domain,
                      **image_profile()},
        **provenance(_PACKAGES),
        'per_frame': drawing.frames,
    })
    return _report(recording, accuracy, options.output)


def require_space(count: int, size: tuple[int, int], rendered: bool) -> None:
    """
    Check that the demo's temporary files have room: all answers, and the frames of a drive.

    :param count: of frames.
    :param size: (height, width) of a frame.
    :param rendered: the frames are of a drive, which is rendered into files beforehand.
    :raises OSError: they have not; the message says what to do.
    """
    height, width = size
    needed = count * height * width * (ANSWER_PIXEL_BYTES + rendered * DRIVE_PIXEL_BYTES)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise OSError(
            f'{count} frames of {width}x{height} take {needed / 2**20:.0f} MiB, but {folder} has '
            f'{free / 2**20:.0f} MiB free; ask for fewer frames, or let TMPDIR name another '
            f'folder')


@contextmanager
def _environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Replace this process' environment, which ROS reads when it starts, for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _source_summary(options: Options, source: Source) -> dict[str, object]:
    common = {'rate': source.rate, 'frames': source.count}
    if options.recording is not None:
        topic = {'topic': source.topic} if source.topic else {}
        return {source.kind: str(source.path), **topic, **common}
    return {'rendered_drive': options.seed, 'size': list(options.size), **common}


def _require_answers(recording: Recording, logs: Path) -> None:
    if not recording.sent:
        raise DemoError('the camera sent no frame')
    if not recording.latency_ms:
        raise DemoError(
            f'none of the frames was answered ({_list_frames(recording)}). '
            f'{shared_memory_warning(_IMAGE_PUBLISHERS)} The logs are in {logs}.')


def _list_frames(recording: Recording) -> str:
    return ', '.join(f'{count} {name.replace("_", " ")}'
                     for name, count in recording.frames().items()
                     if count or name in ('sent', 'answered', 'dropped'))


def _report(recording: Recording, accuracy: Accuracy | None, output: Path) -> str:
    engine = recording.diagnosis.engine
    latency = percentiles(list(recording.latency_ms.values()))
    lines = [
        f'frames       {_list_frames(recording)}',
        f'latency      p50 {latency["p50"]:.0f} ms, p95 {latency["p95"]:.0f} ms, '
        f'p99 {latency["p99"]:.0f} ms, from stamp to mask',
        f'model        {engine["model"]} at {engine["resolution"]} (height x width)',
        f'provider     {engine["provider"]}, {engine["precision"]} '
        f'(asked for: {engine["provider_asked"]})',
        f'transitions  configure {engine["configure_ms"]} ms, activate {engine["activate_ms"]} ms',
    ]
    if accuracy is not None:
        mean = (f', mean IoU {accuracy.mean_iou:.3f} of {len(accuracy.class_iou)} classes'
                if accuracy.class_iou else '')
        lines.append(f'accuracy     drivable IoU {accuracy.drivable_iou:.3f}{mean}, '
                     f'on rendered frames')
    lines += [f'written      {output / name}' for name in (VIDEO, SHEET, SUMMARY)]
    return '\n'.join(lines)
