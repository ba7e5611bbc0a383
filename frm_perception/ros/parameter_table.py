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
Every parameter of the node: its default, its description, and what it accepts by itself.

Whether a model fits the values is found out by reading the models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from frm_perception.ros.parameter_spec import ParameterSpec
from frm_perception.ros.parameter_spec import choice
from frm_perception.ros.parameter_spec import live
from frm_perception.ros.parameter_spec import number
from frm_perception.ros.parameter_spec import numbers
from frm_perception.ros.parameter_spec import of_engine
from frm_perception.runtime.batches import MOST
from frm_perception.runtime.drivable import MAX_FRAMES
from frm_perception.runtime.engines import PROVIDERS
from frm_perception.runtime.engines.provider_options import DLA_CORES
from frm_perception.runtime.engines.provider_options import MAX_GPU_MEMORY_MIB
from frm_perception.runtime.geometry import FITS
from frm_perception.runtime.segmenter import OUTPUT_SIZES
from frm_perception.runtime.threads import MAX_THREADS

TRANSPORTS = ('auto', 'raw', 'compressed')
MAX_GAP_S = 3600.0
MAX_RATE = 1000.0
MAX_DEADLINE_MS = 10000.0

_RESOLUTION = re.compile(r'auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}')
_COLOR = re.compile(r'(.+)=#([0-9a-fA-F]{6})')
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')


def words(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(word.strip() for word in text.split(','))


def _are_colors(entries: Sequence[str]) -> bool:
    found = [_COLOR.fullmatch(entry) for entry in entries if entry]
    return all(found) and len({match[1] for match in found if match}) == len(found)


def _are_cameras(names: Sequence[str]) -> bool:
    try:
        for name in names:
            validate_topic_name(f'{name}/image_raw')
    except InvalidTopicNameException:
        return False
    return 0 < len(names) == len(set(names)) and all(names)


SPECS: Mapping[str, ParameterSpec] = {
    'cameras': ParameterSpec(
        ['camera'],
        'Cameras C: the node reads C/image_raw and, where it is there, C/camera_info; it '
        'publishes below C/segmentation. One engine serves all of them.',
        "a list of different topic prefixes such as ['front', 'rear']", _are_cameras),
    'transport': ParameterSpec(
        'auto',
        'Form of the input: raw reads C/image_raw (sensor_msgs/Image), compressed reads '
        'C/image_raw/compressed (sensor_msgs/CompressedImage, JPEG or PNG), auto reads the one '
        'that is published, and if both are, raw.',
        'auto, raw, compressed, or one of these for each camera, such as raw,compressed',
        lambda text: all(word in TRANSPORTS for word in words(text))),
    'model_dir': of_engine(ParameterSpec(
        '', 'Folder of model bundles.',
        'a path, or empty for the models that came with the package', lambda _: True)),
    'backbone': of_engine(ParameterSpec(
        'auto',
        'Backbone that the model must have, or the model itself by the name of its bundle. One '
        'that is not there is refused with a list of those that are.',
        "auto (the default that model_dir names), a backbone's name, or a bundle's",
        lambda v: bool(_NAME.fullmatch(v)))),
    'resolution': of_engine(ParameterSpec(
        'auto',
        'Size of the network input. One that does not fit the model is refused with the nearest '
        'that do.',
        "auto (the model's own), or HEIGHTxWIDTH such as 384x640",
        lambda v: bool(_RESOLUTION.fullmatch(v)))),
    'precision': of_engine(ParameterSpec(
        'fp32',
        'Precision of the model. One that is not there is refused with a list of those that are. '
        'bf16 is computed by OpenVINO alone. What is really computed in is measured before an '
        'engine serves.',
        'the name of a precision of the model, such as fp32',
        lambda v: bool(_NAME.fullmatch(v)))),
    'provider': of_engine(choice(
        'auto',
        'What computes the network: ONNX Runtime on TensorRT, CUDA or the CPU, OpenVINO on the '
        'CPU, or PyTorch on a GPU. What is really used is measured before an engine serves, '
        'logged, and part of /diagnostics.',
        *PROVIDERS)),
    'require_provider': of_engine(ParameterSpec(
        False,
        'Refuse an engine that does not really use the provider or the precision asked for.',
        'true, false', lambda _: True)),
    'dla_core': of_engine(number(
        -1,
        "Core of a Jetson's Deep Learning Accelerator (DLA) that TensorRT lets compute what it "
        'can, in place of the GPU; -1 is none. Orin NX and AGX Orin have one; for provider '
        'tensorrt and precision fp16.', -1, DLA_CORES - 1)),
    'max_gpu_memory_mib': of_engine(number(
        0,
        'Most MiB of GPU memory that ONNX Runtime takes on CUDA, and that TensorRT works in; 0 '
        'sets no limit.', 0, MAX_GPU_MEMORY_MIB)),
    'engine_cache': ParameterSpec(
        '',
        'Folder in which engines are kept that take long to build; private to it and to the user. '
        '`frm engine build`, or build_only:=true of the launch file, builds them ahead.',
        'a path, or empty for frm_perception/engines in $XDG_CACHE_HOME or ~/.cache',
        lambda _: True),
    'allow_engine_build': live(ParameterSpec(
        True,
        'Compile engines that take minutes, as those of TensorRT do, where the engine cache does '
        'not have them. false refuses what would need one, also the fallbacks of deadline_ms, '
        'with the command that builds it ahead.', 'true, false', lambda _: True)),
    'threads': number(
        0,
        'Threads of one inference and of OpenCV; 0 leaves other nodes room: every core of one or '
        'two, three quarters of more.', 0, MAX_THREADS),
    'max_batch': of_engine(number(
        1,
        'Most cameras whose waiting images are computed in one inference, of a model that allows '
        'it; nobody waits for more. 0 measures on the engine itself whether that pays, and does '
        'it only then.', 0, MOST)),
    'fit': of_engine(choice(
        'letterbox',
        'How images of another shape are fitted into the network input: letterbox shows the whole '
        'image above or beside a border, stretch changes its aspect ratio, crop leaves out the '
        'top or both sides, which are then labelled 255 and are not drivable.',
        *FITS)),
    'output_size': live(choice(
        'camera',
        "Size of label and drivable images: the camera image's, or the network's grid without "
        'the border that fills up its input.',
        *OUTPUT_SIZES)),
    'max_rate': live(numbers(
        0.0,
        'Most images of a camera that are answered, a second; others are counted as limited; 0.0 '
        'sets no limit.', 0.0, MAX_RATE)),
    'weight': live(numbers(
        1.0,
        'What a camera gets in proportion to others where not every image can be answered.',
        0.01, 100.0)),
    'max_age': live(number(
        0.0,
        "Images whose stamp is older than so many seconds on the node's clock when their turn "
        'comes are refused and counted as stale; 0.0 refuses none.', 0.0, MAX_GAP_S)),
    'paused': live(ParameterSpec(
        False,
        'Answer no image, and count them as paused; the engine stays loaded and the topics stay '
        'there.', 'true, false', lambda _: True)),
    'deadline_ms': live(number(
        0.0,
        'Milliseconds that an image may take from its turn to its mask; where more than a tenth '
        'take longer, the engine steps down to faster precisions and smaller resolutions of the '
        'model, and up again when there is time; 0.0 sets no limit.', 0.0, MAX_DEADLINE_MS)),
    'free_on_deactivate': live(ParameterSpec(
        False,
        'Free the engine in deactivate, and with it its memory, on a GPU that of the GPU, too; '
        'activate then builds it anew, which takes as long as configure.', 'true, false',
        lambda _: True)),
    'bond': ParameterSpec(
        False,
        "Keep a bond with a lifecycle manager such as Nav2's while active, from whose absence it "
        'learns that the node has died; needs the package bondpy.', 'true, false', lambda _: True),
    'palette': live(ParameterSpec(
        [''],
        'Colours of classes in the overlay and in the legend, where they are not to be those of '
        'the model.',
        "a list such as ['road=#804080', 'sky=#4682b4'], or ['']", _are_colors)),
    'overlay_opacity': live(number(
        0.5, 'How strongly the overlay covers the image.', 0.0, 1.0)),
    'drivable_classes': of_engine(ParameterSpec(
        [''],
        'Classes that count as drivable. One that the model does not have is refused with a list '
        'of its classes.',
        "a list of class names; [''] means those that the model names", lambda _: True)),
    'drivable_min_confidence': live(number(
        0.0, 'Drivable pixels have at least this softmax probability; 0.0 asks for none.',
        0.0, 1.0)),
    'drivable_min_area': live(number(
        0.0, "Smallest connected drivable area, as a share of the image's pixels.", 0.0, 1.0)),
    'drivable_foot': live(number(
        0.0,
        'Drivable areas reach the vehicle: the middle half of a strip at the lower border, which '
        'is this share of the image high; 0.0 does not ask for it.',
        0.0, 1.0)),
    'drivable_appear_frames': live(number(
        1, 'Pixels become drivable after so many answered frames of their camera in succession '
        'that say so.', 1, MAX_FRAMES)),
    'drivable_vanish_frames': live(number(
        1, 'Drivable pixels stop being so after so many answered frames in succession that say '
        'so.', 1, MAX_FRAMES)),
    'drivable_max_gap': live(ParameterSpec(
        1.0,
        'Seconds from one stamp of a camera to the next after which earlier frames count no more; '
        'above the time between its frames.',
        f'above 0.0, to {MAX_GAP_S}', lambda v: 0 < v <= MAX_GAP_S, (0.0, MAX_GAP_S))),
}
"""Every parameter of the node by name; ``SegmenterParameters`` holds their values."""


def parameters_table() -> str:
    """Return the parameters as Markdown, as README.md has them."""
    rows = ['| parameter | default | meaning |', '| --- | --- | --- |']
    rows += [f'| `{name}` | `{spec.default}` | {spec.descriptor().description} '
             f'Possible: {spec.possible}. |' for name, spec in SPECS.items()]
    return '\n'.join(rows)
