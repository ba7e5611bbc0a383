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
The lifecycle node: what each transition does, and what of it may change while it runs.

`configure` loads the model, verifies it and runs one inference; `activate` begins to take frames;
`deactivate` stops and waits for the frame in work; `cleanup` frees everything, and so does
`deactivate` where `free_on_deactivate` says so; `shutdown` does so from any state. Configure
answers only once the model is loaded, which takes seconds: lifecycle managers need
a service timeout to match.

rclpy turns an exception in a transition into a bare failure without a word. Here every transition
logs its traceback and fails in the way that leads back to where it came from, so that it can be
tried again once the cause is mended.

An engine that fails frame after frame fails the node: it goes through `on_error`, which frees all,
to unconfigured, and from there configures and activates itself, :data:`MOST_RESTARTS` times. The
count begins anew when somebody asks to configure, and when an engine has worked for long.
"""

from __future__ import annotations

import traceback
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import String

from frm_perception.ros.bond import ManagerBond
from frm_perception.ros.bond import load_bondpy
from frm_perception.ros.diagnostics import NodeStatus
from frm_perception.ros.diagnostics import PartStatus
from frm_perception.ros.diagnostics import diagnostic_statuses
from frm_perception.ros.jetson_stats import JetsonStats
from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.metrics import metrics_text
from frm_perception.ros.parameter_spec import Effect
from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.parameters import ParameterError
from frm_perception.ros.parameters import changed_parameters
from frm_perception.ros.parameters import check_changes
from frm_perception.ros.parameters import declare_parameters
from frm_perception.ros.parameters import read_parameters
from frm_perception.ros.qos import overridable
from frm_perception.ros.qos import report
from frm_perception.ros.session import MOST_FAILURES
from frm_perception.ros.session import Session
from frm_perception.ros.supervision import Supervision
from frm_perception.ros.transitions import logged
from frm_perception.ros.unknown_parameters import UnknownParameters
from frm_perception.runtime.meanwhile import meanwhile
from frm_perception.runtime.resident_memory import resident_mib

NAME = 'segmenter'
MOST_RESTARTS = 3
_REPORT_PERIOD_S = 1.0
_NEXT = {'unconfigured': 'configure', 'inactive': 'activate'}


class SegmenterNode(LifecycleNode):
    """
    The lifecycle around a :class:`Session`; see the module's text for the transitions.

    :raises ParameterError: values from the command line or a file that cannot be.
    """

    def __init__(self) -> None:
        super().__init__(NAME)
        self._session: Session | None = None
        self._phase = 'unconfigured'
        self._failing = False
        self.problem = ''
        """Why the latest transition failed; empty where it did not."""
        self._restarts = 0
        self._durations: dict[str, float | None] = {
            f'{name}_ms': None for name in ('configure', 'activate', 'deactivate', 'cleanup')}
        self._counts: dict[str, FrameCounts] = {}
        self._bond: ManagerBond | None = None
        self._jetson = JetsonStats()
        self.supervision = Supervision(self.get_logger())
        declare_parameters(self)
        self._unknown = UnknownParameters(self)
        self._unknown.warn()
        self._diagnostics = self.create_publisher(
            DiagnosticArray, '/diagnostics', report(), qos_overriding_options=overridable())
        self._metrics = self.create_publisher(
            String, '~/metrics', report(), qos_overriding_options=overridable())
        # A steady timer: on a simulated clock that stands still the node has things to say.
        self._timer = self.create_timer(
            _REPORT_PERIOD_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._answer_transition = self._service_change_state.callback
        self._service_change_state.callback = self._on_change_state
        self.get_logger().info(self._whereabouts())

    @logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, verify it, run one inference, create the outputs."""
        self._phase = 'configuring'
        self._publish_status()
        try:
            if self.get_parameter('bond').value:
                load_bondpy()  # before anybody waits for a model
            self._session = self._load()
        finally:
            self._phase = 'unconfigured' if self._session is None else 'inactive'
        self.get_logger().info(self._whereabouts())
        return super().on_configure(state)

    @logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take frames; cheap, unless the engine was freed in deactivate."""
        session = self._session = self._session or self._load()
        result = super().on_activate(state)
        try:
            session.start()
            if self.get_parameter('bond').value and self._bond is None:
                self._bond = ManagerBond(self)
        except BaseException:
            session.stop()
            super().on_deactivate(state)
            raise
        self._phase = 'active'
        self.get_logger().info(f'active: answering {session.inputs()}')
        self._unknown.warn_of_overrides(session.possible_inputs())
        return result

    @logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more frames; returns when the frame in work is answered."""
        session = self._opened()
        session.stop()
        if self._failing:
            return TransitionCallbackReturn.ERROR
        self._break_bond()
        result = super().on_deactivate(state)
        if self.get_parameter('free_on_deactivate').value:
            self._counts = session.counts()
            self._free()
        self._phase = 'inactive'
        self.get_logger().info(self._whereabouts())
        return result

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free all that a failing engine leaves, so that the node can be configured again."""
        try:
            self._free()
        except Exception:
            self.get_logger().error(
                f'what the engine held could not be freed\n{traceback.format_exc()}')
        self._session = None
        self._phase = 'unconfigured'
        return TransitionCallbackReturn.SUCCESS

    @logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine, the publishers and the subscriptions."""
        self._break_bond()
        self._free()
        self._phase = 'unconfigured'
        return super().on_cleanup(state)

    @logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything; the process stays until a signal ends it."""
        try:
            self._break_bond()
            self._free()
        finally:
            self._phase = 'finalized'
        return super().on_shutdown(state)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """
        Take a set of parameters as a whole, or refuse it with the reason; services call this.

        A callback of `add_on_set_parameters_callback` would be too late: rclpy refuses types,
        ranges and names before it, with messages that do not say what is possible.
        """
        try:
            check_changes(self, parameter_list)
            self._refuse_locked(parameter_list)
            if self._session is not None:
                self._session.check(read_parameters(self, parameter_list))
        except (ValueError, OSError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        result = super().set_parameters_atomically(parameter_list)
        if result.successful and self._session is not None:
            self._session.adopt(read_parameters(self))
        return result

    def note_duration(self, transition: str, milliseconds: float) -> None:
        """Log how long a transition took that succeeded, and keep it for the status."""
        self._durations[f'{transition}_ms'] = milliseconds
        self.get_logger().info(f'{transition} took {milliseconds:.1f} ms')

    def start_by_itself(self) -> bool:
        """Configure and activate, as a manager would; tell whether the node is active."""
        success = TransitionCallbackReturn.SUCCESS
        return (self.trigger_configure() == success
                and self.trigger_activate() == success)

    @property
    def has_given_up(self) -> bool:
        """Whether a failing engine was started again so often that only people can help."""
        return self._failing and self._restarts == MOST_RESTARTS and self._phase == 'unconfigured'

    def close(self) -> None:
        """Shut down from whatever state the node is in; for the end of the process."""
        self._jetson.close()
        if self._phase != 'finalized':
            self.trigger_shutdown()

    def _on_change_state(
            self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        """
        Answer a request for a transition that is not possible now.

        rclpy lets an error escape there, which leaves the client without an answer and ends the
        process.
        """
        transition = request.transition
        if transition.label == 'configure' or (
                not transition.label and transition.id == Transition.TRANSITION_CONFIGURE):
            self._failing, self._restarts, self._counts = False, 0, {}
        try:
            return self._answer_transition(request, response)
        except RuntimeError as error:
            wanted = transition.label or transition.id
            self.get_logger().warning(f'no transition {wanted} while {self._phase}: {error}')
            response.success = False
            return response

    def _load(self) -> Session:
        session = Session(self, read_parameters(self), self._counts)
        try:
            with meanwhile(_REPORT_PERIOD_S, self._say_still_loading):
                session.open()
        except BaseException:
            session.close()
            raise
        return session

    def _say_still_loading(self, seconds: float) -> None:
        """In place of the timer, which waits until the engine is loaded; on another thread."""
        if int(seconds) % 10 == 0:
            self.get_logger().info(f'the engine has been loading for {seconds:.0f} s')
        self.supervision.say_loading(seconds)
        self._publish_status()

    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError('there is no session: configure did not end well')
        return self._session

    def _free(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _refuse_locked(self, parameters: list[Parameter]) -> None:
        """What takes effect in configure would be a lie until cleanup."""
        if self._phase not in ('inactive', 'active'):
            return
        for parameter in parameters:
            if (parameter.name in SPECS and SPECS[parameter.name].effect is Effect.CONFIGURE
                    and parameter.value != self.get_parameter(parameter.name).value):
                steps = ['cleanup'] if self._phase == 'inactive' else ['deactivate', 'cleanup']
                raise ParameterError(
                    f'parameter {parameter.name} takes effect in configure and the node is '
                    f'{self._phase}; first run ' + ' and '.join(map(self._command, steps)))

    def _break_bond(self) -> None:
        if self._bond is not None:
            self._bond.close()
            self._bond = None

    def _tick(self) -> None:
        try:
            self._tend()
        finally:
            status = self._publish_status()
        waits = self._session is not None and self._session.unanswered_s > 0
        self.supervision.say_status(status, is_alive=not (waits or self.has_given_up))

    def _tend(self) -> None:
        if self._session is not None:
            self._session.follow_publishers()
            self._session.log_conditions()
            self._session.note_progress()
            self._tend_engine(self._session)
            if self._session.engine_failed:
                self._fail(self._session)
            elif self._session.engine_proved:
                self._restarts = 0
        elif self._failing and self._phase == 'unconfigured':
            self._restart()

    def _tend_engine(self, session: Session) -> None:
        """Let the parameters say what holds where what was asked for could not be built."""
        holding = session.tend_engine()
        if holding is not None:
            self.set_parameters_atomically(changed_parameters(self, holding))

    def _fail(self, session: Session) -> None:
        """Go through on_error to unconfigured; the next tick restarts the engine."""
        self.get_logger().error(
            f'the engine failed {MOST_FAILURES} times in succession, the last time with: '
            f'{session.last_failure}')
        self._failing = True
        self.trigger_deactivate()
        self._counts = session.counts()
        self._say_given_up()

    def _restart(self) -> None:
        """Configure and activate once more, unless that was done too often."""
        if self._restarts == MOST_RESTARTS:
            return
        self._restarts += 1
        self.get_logger().warning(
            f'starting the engine again, time {self._restarts} of at most {MOST_RESTARTS}')
        if self.start_by_itself():
            self._failing = False
            return
        if self._session is not None:
            self.trigger_cleanup()
        self._say_given_up()

    def _say_given_up(self) -> None:
        if self._restarts == MOST_RESTARTS:
            self.get_logger().fatal(self._failure())
            self._break_bond()  # until here no manager need know

    def _failure(self) -> str:
        """Return what happens, or is to be done, after the engine has failed."""
        if self._restarts < MOST_RESTARTS:
            return 'the engine failed and is about to be started again'
        return (f'the engine failed, also after it was started again {self._restarts} times; mend '
                f'the cause (see the log), then {self._command("configure")}')

    def _publish_status(self) -> NodeStatus:
        """Say the same on `/diagnostics` to people and their tools, on `~/metrics` to machines."""
        status, now = self._status(), self.get_clock().now()
        diagnostics = DiagnosticArray(status=diagnostic_statuses(self, status))
        diagnostics.header.stamp = now.to_msg()
        self._diagnostics.publish(diagnostics)
        self._metrics.publish(String(data=metrics_text(
            self.get_fully_qualified_name(), now.nanoseconds / 1e9, status)))
        return status

    def _status(self) -> NodeStatus:
        own = {'problem': self.problem, 'memory_mib': resident_mib(),
               'restarts': self._restarts, **self._durations, **self._jetson.values()}
        if self._session is not None:
            status = self._session.status(own, self._whereabouts())
        else:
            status = NodeStatus(PartStatus(DiagnosticStatus.OK, self._whereabouts(), {
                'state': self._phase, 'provider_asked': self.get_parameter('provider').value,
                'precision': self.get_parameter('precision').value, **own}), {})
        trouble = self._failure() if self._failing else self.problem.partition('\n')[0]
        return status if not trouble else replace(
            status, engine=replace(status.engine, level=DiagnosticStatus.ERROR, message=trouble))

    def _command(self, transition: str) -> str:
        return f'`ros2 lifecycle set {self.get_fully_qualified_name()} {transition}`'

    def _whereabouts(self) -> str:
        """Return the state and, where nothing comes of it, how to go on."""
        if self._phase not in _NEXT:
            return self._phase
        return (f'{self._phase}; next: {self._command(_NEXT[self._phase])} '
                '(segment.launch.py does so by itself)')
