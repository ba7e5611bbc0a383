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
"""Kinds of parameters: what each accepts, and how it describes itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.parameter import Parameter


class Effect(Enum):
    """When a change of a parameter takes effect; the values end a sentence that says so."""

    CONFIGURE = 'in configure'
    ENGINE = 'with a new engine'
    AT_ONCE = 'at once'


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter as users see it.

    :param possible: what is accepted, as text for descriptors, messages and `--help`.
    :param accepts: whether a value of the right type is one of those.
    :param effect: when a change takes effect: in the next configure; in a configured node once an
        engine with it is built, which takes the place of the one before between two frames; or
        between two frames.
    """

    default: Any
    description: str
    possible: str
    accepts: Callable[[Any], bool]
    range: tuple[int, int] | tuple[float, float] | None = None
    effect: Effect = Effect.CONFIGURE

    @property
    def type(self) -> Parameter.Type:
        """Type of the parameter, which is that of its default."""
        found: Parameter.Type = Parameter.Type.from_parameter_value(self.default)
        return found

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            description=f'{self.description} Takes effect {self.effect.value}.',
            additional_constraints=f'Possible: {self.possible}.')
        if self.range is not None:
            least, most = self.range
            if isinstance(self.default, int):
                descriptor.integer_range = [
                    IntegerRange(from_value=least, to_value=most, step=1)]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=least, to_value=most)]
        return descriptor


def choice(default: str, description: str, *choices: str) -> ParameterSpec:
    """Return a text that is one of some."""
    return ParameterSpec(default, description, ', '.join(choices), lambda v: v in choices)


def number(default: float, description: str, least: float, most: float) -> ParameterSpec:
    """Return a number within limits, an integer where the default is one."""
    return ParameterSpec(default, description, f'{least} to {most}',
                         lambda v: least <= v <= most, (least, most))


def numbers(default: float, description: str, least: float, most: float) -> ParameterSpec:
    """Return a list of numbers within limits, for all cameras or each."""
    return ParameterSpec(
        [default], description,
        f'a list such as [{default}] of numbers from {least} to {most}, one for all cameras or '
        'one for each in their order',
        lambda numbers: len(numbers) > 0 and all(least <= v <= most for v in numbers))


def live(spec: ParameterSpec) -> ParameterSpec:
    """Return the same for a parameter whose changes take effect between two frames."""
    return replace(spec, effect=Effect.AT_ONCE)


def of_engine(spec: ParameterSpec) -> ParameterSpec:
    """Return the same for a parameter whose changes need a new engine."""
    return replace(spec, effect=Effect.ENGINE)
