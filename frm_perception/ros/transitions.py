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
"""What every transition of the node has in common: it is timed, and no failure goes unseen."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any
from typing import Protocol

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn


class Noting(Protocol):
    """
    A node that keeps note of its transitions.

    :param problem: why the latest transition failed; empty where it did not.
    """

    problem: str

    def note_duration(self, transition: str, milliseconds: float) -> None:
        """Keep how long a transition took that succeeded."""

    def get_logger(self) -> RcutilsLogger:
        """Return the node's logger."""


Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def logged(transition: Transition) -> Transition:
    """
    Note how long a transition took, and turn an exception of it into a logged FAILURE.

    After that it can be retried.
    """
    name = transition.__name__.removeprefix('on_')

    @wraps(transition)
    def noted(node: Noting, state: LifecycleState) -> TransitionCallbackReturn:
        begin = time.perf_counter()
        node.problem = ''
        try:
            result = transition(node, state)
            if result is TransitionCallbackReturn.SUCCESS:
                node.note_duration(name, (time.perf_counter() - begin) * 1e3)
            return result
        except Exception as error:
            node.problem = f'{name} failed: {error}'
            node.get_logger().error(
                f'{node.problem}\n'
                f'The node stays {state.label}; mend the cause and {name} it again.\n'
                f'{traceback.format_exc()}')
            return TransitionCallbackReturn.FAILURE

    return noted
