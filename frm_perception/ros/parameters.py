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
The values of the node's parameters: declared, checked one beside the other, and read.

A value that is wrong by itself is refused when it is set, or at start-up. Whether a model fits the
values is found out by `configure`, which reads the models.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import TypeVar

from rclpy.node import Node
from rclpy.parameter import Parameter

from frm_perception.ros.parameter_spec import ParameterSpec
from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.parameter_table import words
from frm_perception.ros.qos import override_problem
from frm_perception.runtime.drivable import DrivableRules

Value = TypeVar('Value')


class ParameterError(ValueError):
    """A parameter's value cannot be used; the text says which, why, and what is possible."""


@dataclass(frozen=True)
class EngineParameters:
    """What a segmenter is made of; see :class:`SegmenterParameters`."""

    cameras: tuple[str, ...]
    model_dir: str
    backbone: str
    resolution: str
    precision: str
    provider: str
    require_provider: bool
    dla_core: int
    max_gpu_memory_mib: int
    threads: int
    max_batch: int
    fit: str
    drivable_classes: tuple[str, ...]


@dataclass(frozen=True)
class SegmenterParameters:
    """
    The values of one configuration, checked.

    :param cameras: prefixes of the topics, one a camera.
    :param transport: `auto`, `raw` or `compressed`; of several cameras one, or one for each with
        commas between them.
    :param model_dir: folder of bundles; empty means the models that came with the package.
    :param backbone: which bundle; `auto` is the default of `model_dir`.
    :param resolution: `auto` or `HEIGHTxWIDTH` of the network's input.
    :param precision: which of the bundle's models.
    :param provider: what computes the network.
    :param require_provider: refuse to configure when `provider` or `precision` is not really used.
    :param dla_core: of a Jetson's DLA, for TensorRT; -1 is none.
    :param max_gpu_memory_mib: what CUDA and TensorRT may take; 0 sets no limit.
    :param engine_cache: folder of built engines; empty means the user's own.
    :param allow_engine_build: compile engines that take minutes; false refuses them.
    :param threads: threads of one inference; 0 leaves other programs room.
    :param max_batch: most cameras whose frames are computed in one inference; 0 measures.
    :param fit: how images are fitted into the network's input.
    :param output_size: `camera` or `network`.
    :param max_rate: most answers a second, for all cameras or one for each; 0 is no limit.
    :param weight: shares of the cameras where not all frames can be answered, likewise.
    :param max_age: seconds after which a frame is refused; 0 refuses none.
    :param paused: answer no image.
    :param deadline_ms: what a frame may take before the engine steps down; 0 is no limit.
    :param free_on_deactivate: free the engine in deactivate, build it in activate.
    :param bond: keep a bond with a lifecycle manager while active.
    :param palette: `CLASS=#RRGGBB`, see :attr:`colors`.
    :param overlay_opacity: how strongly the overlay covers the image, 0..1.
    :param drivable_classes: names of classes; none means the label space's own.
    :param drivable_min_confidence: and the following, see :attr:`drivable_rules`.
    """

    cameras: tuple[str, ...]
    transport: str
    model_dir: str
    backbone: str
    resolution: str
    precision: str
    provider: str
    require_provider: bool
    dla_core: int
    max_gpu_memory_mib: int
    engine_cache: str
    allow_engine_build: bool
    threads: int
    max_batch: int
    fit: str
    output_size: str
    max_rate: tuple[float, ...]
    weight: tuple[float, ...]
    max_age: float
    paused: bool
    deadline_ms: float
    free_on_deactivate: bool
    bond: bool
    palette: tuple[str, ...]
    overlay_opacity: float
    drivable_classes: tuple[str, ...]
    drivable_min_confidence: float
    drivable_min_area: float
    drivable_foot: float
    drivable_appear_frames: int
    drivable_vanish_frames: int
    drivable_max_gap: float

    @property
    def engine(self) -> EngineParameters:
        """Those of which a segmenter is made."""
        return EngineParameters(**{
            part.name: getattr(self, part.name) for part in fields(EngineParameters)})

    @property
    def transports(self) -> dict[str, str]:
        """Transport of each camera."""
        return self._per_camera(words(self.transport))

    @property
    def colors(self) -> dict[str, tuple[int, int, int]]:
        """Red, green and blue of the classes whose colours are not to be the model's."""
        entries = (entry.rpartition('=#') for entry in self.palette)
        return {name: (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))
                for name, _, code in entries}

    @property
    def max_rates(self) -> dict[str, float]:
        """Most answers a second of each camera; 0 is no limit."""
        return self._per_camera(self.max_rate)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each camera."""
        return self._per_camera(self.weight)

    def _per_camera(self, values: tuple[Value, ...]) -> dict[str, Value]:
        return dict(zip(self.cameras, values * len(self.cameras) if len(values) == 1 else values))

    @property
    def drivable_rules(self) -> DrivableRules:
        """What it takes for a pixel to be drivable, the same for every camera."""
        return DrivableRules(
            min_confidence=self.drivable_min_confidence, min_area=self.drivable_min_area,
            foot=self.drivable_foot, appear_frames=self.drivable_appear_frames,
            vanish_frames=self.drivable_vanish_frames, max_gap_s=self.drivable_max_gap)


_PER_CAMERA: Mapping[str, Callable[[Any], int]] = {
    'transport': lambda text: len(words(text)), 'max_rate': len, 'weight': len}
"""What has a value for all cameras or one for each -> how many are given."""


def declare_parameters(node: Node) -> None:
    """
    Declare every parameter with its descriptor and the value from command line or file.

    :raises ParameterError: values that cannot be; the text has a line for each.
    """
    # rclpy has no public way to see overrides before declaring, and its own errors name neither
    # the other wrong parameters nor what is possible.
    overrides = node._parameter_overrides
    problems = [problem for name, given in overrides.items()
                if (problem := override_problem(name, given.value))]
    for name, spec in SPECS.items():
        value = spec.default
        if name in overrides:
            value = _without_emptiness(overrides[name].value, spec)
            problem = _problem(node, name, Parameter.Type.from_parameter_value(value), value)
            if problem:
                problems.append(problem)
        if not problems:
            node.declare_parameter(name, value, spec.descriptor(), ignore_override=True)
    if not problems:
        problems = _joint_problems(_values(node))
    if problems:
        raise ParameterError('\n'.join(problems))


def check_changes(node: Node, parameters: Sequence[Parameter]) -> None:
    """
    Check names and values that somebody wants to set together.

    :raises ParameterError: a parameter that does not exist, or a value that cannot be, by itself
        or beside the others.
    """
    for parameter in parameters:
        spec = SPECS.get(parameter.name)
        if spec is None:
            if not node.has_parameter(parameter.name):
                raise ParameterError(
                    f'there is no parameter {parameter.name}; there are {", ".join(SPECS)}')
        elif problem := _problem(node, parameter.name, parameter.type_, parameter.value):
            raise ParameterError(problem)
    changed = {parameter.name: parameter.value for parameter in parameters}
    if problems := _joint_problems({**_values(node), **changed}):
        raise ParameterError('\n'.join(problems))


def read_parameters(node: Node, changes: Sequence[Parameter] = ()) -> SegmenterParameters:
    """Return the values as they are now, or as they were with changes that are checked."""
    changed = {parameter.name: parameter.value for parameter in changes
               if parameter.name in SPECS}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(SPECS[name].default, list) else value
        for name, value in {**_values(node), **changed}.items()}
    for name in ('palette', 'drivable_classes'):
        values[name] = tuple(entry for entry in values[name] if entry)
    return SegmenterParameters(**values)


def changed_parameters(node: Node, values: SegmenterParameters) -> list[Parameter]:
    """Return, to be set, the parameters that have other values now."""
    wanted = {name: list(value) or [''] if isinstance(value, tuple) else value
              for name, value in vars(values).items()}
    return [Parameter(name, value=wanted[name]) for name, value in _values(node).items()
            if wanted[name] != (list(value) if isinstance(SPECS[name].default, list) else value)]


def describe_parameters() -> str:
    """Return the parameters as text for `--help`."""
    lines = []
    for name, spec in SPECS.items():
        lines += [f'  {name} (default: {spec.default!r})', f'      {spec.description}',
                  f'      Possible: {spec.possible}.']
    return '\n'.join(lines)


def _values(node: Node) -> dict[str, Any]:
    """Return the values of all parameters as they are now."""
    return {name: node.get_parameter(name).value for name in SPECS}


def _joint_problems(values: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with values that are fine each by itself."""
    cameras = len(values['cameras'])
    return [f'parameter {name} cannot be {values[name]!r} with {cameras} cameras; '
            f'possible: {SPECS[name].possible}'
            for name, count in _PER_CAMERA.items() if count(values[name]) not in (1, cameras)]


def _without_emptiness(value: Any, spec: ParameterSpec) -> Any:
    """Undo what ROS makes of an empty list, which has no type and arrives as None."""
    of_text = isinstance(spec.default, list) and isinstance(spec.default[0], str)
    return [''] if value is None and of_text else value


def _problem(node: Node, name: str, kind: Parameter.Type, value: Any) -> str:
    """Return why a parameter of the node cannot have this value, or empty text."""
    spec = SPECS[name]
    if kind != spec.type:
        return (f'parameter {name} cannot be {value!r}, of type {_type_text(kind)}; its type is '
                f'{_type_text(spec.type)}, as of {spec.default!r}; possible: {spec.possible}')
    if not spec.accepts(value):
        return f'parameter {name} cannot be {value!r}; possible: {spec.possible}'
    return _camera_problem(node, value) if name == 'cameras' else ''


def _type_text(kind: Parameter.Type) -> str:
    return str(kind.name).lower().replace('_', ' ')


def _camera_problem(node: Node, cameras: Sequence[str]) -> str:
    """Return which cameras have no topics of their own in the node's namespace, or empty text."""
    owners: dict[str, str] = {}
    for camera in cameras:
        try:
            topic = node.resolve_topic_name(f'{camera}/segmentation/label')
        except Exception as error:  # of rclpy's binding, without a public name
            return f'parameter cameras cannot be {cameras!r}; {camera!r} is no prefix: {error}'
        if topic in owners:
            return (f'parameter cameras cannot be {cameras!r}; {owners[topic]!r} and {camera!r} '
                    f'would both publish {topic}')
        owners[topic] = camera
    return ''
