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
"""Everything that exists from `configure` to `cleanup`: engine, topics, worker and records."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import replace
from functools import partial

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import JumpHandle
from rclpy.clock import JumpThreshold
from rclpy.clock import TimeJump
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

from frm_perception.media.legend import painted
from frm_perception.ros.answerer import Answerer
from frm_perception.ros.answerer import Frame
from frm_perception.ros.answerer import Settings
from frm_perception.ros.answerer import age_ms
from frm_perception.ros.camera_topics import CameraTopics
from frm_perception.ros.camera_topics import Message
from frm_perception.ros.camera_watch import CameraWatch
from frm_perception.ros.compressed_images import check_compressed_image
from frm_perception.ros.diagnostics import NodeStatus
from frm_perception.ros.diagnostics import PartStatus
from frm_perception.ros.diagnostics import Values
from frm_perception.ros.image_messages import MalformedImage
from frm_perception.ros.image_messages import check_image
from frm_perception.ros.label_topics import has_vision_msgs
from frm_perception.ros.live_engine import LiveEngine
from frm_perception.ros.log_throttle import LogThrottle
from frm_perception.ros.mailbox import FrameCounts
from frm_perception.ros.mailbox import Mailboxes
from frm_perception.ros.mailbox import Outcome
from frm_perception.ros.parameters import SegmenterParameters
from frm_perception.ros.scheduler import RateLimit
from frm_perception.ros.supervision import Progress
from frm_perception.ros.supervision import Stall
from frm_perception.ros.worker import REFUSALS
from frm_perception.ros.worker import Answered
from frm_perception.ros.worker import Worker
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.segmenter import Segmenter

MOST_FAILURES = 5
"""An engine that fails so often in succession is given up."""
STALL_S = 10.0
"""Images that come for so long without an answer to any are an error."""
PROVING_ANSWERS = 1000
"""After so many answers in succession an engine is as good as one that never failed."""
_REPEAT_S = 10.0
_LEAST_JUMP = Duration(nanoseconds=-1)


class Session:
    """
    One configuration of the node at work.

    Made by `configure`, started by `activate`, stopped by `deactivate`, closed by `cleanup`.

    :param node: creates the ROS entities and lends its clock and logger.
    :param parameters: what to load and which cameras to serve.
    :param counts: of a session whose work this one goes on with.
    """

    def __init__(self, node: LifecycleNode, parameters: SegmenterParameters,
                 counts: Mapping[str, FrameCounts]) -> None:
        self._node = node
        self._logger = node.get_logger()
        self._parameters = parameters
        self._throttle = LogThrottle(_REPEAT_S)
        self._engine: LiveEngine | None = None
        self._mailboxes: Mailboxes[Frame] = Mailboxes(parameters.weights, counts)
        self._answerer: Answerer | None = None
        self._worker: Worker[Frame] | None = None
        self._topics = {camera: CameraTopics(node, camera, transport)
                        for camera, transport in parameters.transports.items()}
        self._limits = {camera: RateLimit(most) for camera, most in parameters.max_rates.items()}
        self._watch = CameraWatch(self._logger, self._topics, self.counts(), self._throttle)
        self._streak = 0
        self._settled = 0
        self._stall = Stall()
        self.unanswered_s = 0.0
        """Seconds for which images have waited and nothing became of any."""
        self.last_failure = ''
        self._jumps: JumpHandle | None = None
        self.active = False

    def open(self) -> None:
        """
        Load the model, prove it with an inference, and create the outputs.

        After an error :meth:`close` frees what was made until then.
        """
        cache = open_cache(self._parameters.engine_cache, self._logger.warning)
        self._engine = LiveEngine(self._parameters, cache, self._logger, self._take_over)
        for topics in self._topics.values():
            topics.open()
        with self._engine.unchanging() as segmenter:
            self._announce(segmenter)
        self._jumps = self._node.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=_LEAST_JUMP),
            post_callback=self._on_jump)
        if not has_vision_msgs():
            self._logger.info('vision_msgs is not installed: no segmentation/label_info')

    def start(self) -> None:
        """Take frames and answer them."""
        self.active = True
        with self._opened().unchanging() as segmenter:
            # Anew at every start: what its filters remember is of the scene before.
            self._answerer = Answerer(
                self._node, segmenter, self._settings(segmenter), self._topics,
                self._watch.records, self._throttle, self._opened().note_time)
        self._opened().begin()
        self._worker = Worker(
            self._mailboxes, lambda: self._opened().info.batch, self._answer, self._report)
        self._worker.start()
        self._watch.begin()
        for camera, topics in self._topics.items():
            topics.subscribe(partial(self._receive, camera))

    def check(self, parameters: SegmenterParameters) -> None:
        """
        Refuse what this session cannot take over while it works.

        :raises ValueError: there is no such model, or it does not fit a parameter.
        :raises OSError: a folder cannot be read.
        """
        self._opened().check(parameters)

    def adopt(self, parameters: SegmenterParameters) -> None:
        """
        Go on with other values that were checked.

        What needs a new engine waits for it, the rest holds from the next frame on.
        """
        before = self._parameters
        self._mailboxes.weigh(parameters.weights)
        for camera, most in parameters.max_rates.items():
            if most != self._limits[camera].most:
                self._limits[camera] = RateLimit(most)
        engine = self._opened()
        with engine.unchanging() as segmenter:
            self._parameters = parameters
            if parameters.palette != before.palette:
                self._announce(segmenter)
            if self._answerer is not None:
                self._answerer.settings = self._settings(segmenter)
        engine.adopt(parameters)

    def tend_engine(self) -> SegmenterParameters | None:
        """
        Do what is due, every second or so, with changes of the engine and to keep time.

        :return: where the latest change that was asked for failed, the parameters that hold.
        """
        engine = self._opened()
        if not engine.tick():
            return None
        with engine.unchanging() as segmenter:
            classes = segmenter.label_space.classes
        return replace(
            self._parameters, **asdict(engine.asked),
            palette=tuple(f'{name}=#{red:02x}{green:02x}{blue:02x}' for name, (red, green, blue)
                          in self._parameters.colors.items() if name in classes))

    def stop(self) -> None:
        """Take no more frames; wait for the one in work. The counts stay."""
        self.active = False
        for topics in self._topics.values():
            topics.unsubscribe()
        if self._worker is not None:
            self._worker.stop()
            self._worker = self._answerer = None
        self._streak = 0  # who activates the node again lets the engine try again
        self._watch.end(self.counts())

    def close(self) -> None:
        """Stop, destroy the topics and free the engine."""
        self.stop()
        if self._jumps is not None:
            self._jumps.unregister()
            self._jumps = None
        if self._engine is not None:
            self._engine.close()  # before the topics: what takes over announces its labels
            self._engine = None
        for topics in self._topics.values():
            topics.close()

    @property
    def engine_failed(self) -> bool:
        """Whether the engine failed so often in succession that it is not for the images."""
        return self._streak <= -MOST_FAILURES

    @property
    def engine_proved(self) -> bool:
        """Whether the engine has worked for so long that what was before does not count."""
        return self._streak >= PROVING_ANSWERS

    def counts(self) -> dict[str, FrameCounts]:
        """Return the book of every camera."""
        return {camera: self._mailboxes.counts(camera) for camera in self._topics}

    def inputs(self) -> str:
        """Return the resolved topics that images are taken from."""
        return ', '.join(topics.input for topics in self._topics.values())

    def possible_inputs(self) -> set[str]:
        """Return the resolved topics that images may be taken from."""
        return {topic for topics in self._topics.values() for topic in topics.possible_inputs}

    def follow_publishers(self) -> None:
        """Let active cameras take the images that are published, where they may choose."""
        for topics in self._topics.values():
            if topics.follow_publishers():
                self._logger.info(f'taking images from {topics.input} now')

    def log_conditions(self) -> None:
        """Log, once in a while, what is wrong with an active camera's images on their way."""
        self._watch.log_conditions(self.counts())

    def note_progress(self) -> None:
        """Take in, once a second, whether images wait in vain."""
        counts = self.counts().values()
        self.unanswered_s = self._stall.note(Progress(
            settled=self._settled,
            unsettled=sum(camera.dropped + camera.failed for camera in counts),
            in_flight=sum(camera.in_flight for camera in counts)), time.monotonic())

    def status(self, of_node: Values, idle: str) -> NodeStatus:
        """
        Return the state of the engine and of each camera.

        :param of_node: what is known beyond this session, for the engine's values.
        :param idle: what to say of it where it is not active.
        """
        return NodeStatus(self._engine_status(of_node, idle),
                          self._watch.statuses(self.counts()))

    def _opened(self) -> LiveEngine:
        assert self._engine is not None, 'open() loads the engine'
        return self._engine

    def _settings(self, segmenter: Segmenter) -> Settings:
        parameters = self._parameters
        return Settings(
            parameters.output_size, parameters.max_age, parameters.drivable_rules,
            painted(segmenter.label_space, parameters.colors), parameters.overlay_opacity)

    def _take_over(self, segmenter: Segmenter) -> None:
        """Go on with another segmenter, between two frames; on whatever thread."""
        self._streak = 0
        self._announce(segmenter)
        answerer = self._answerer  # of which stop() may take leave meanwhile
        if answerer is not None:
            answerer.segmenter = segmenter
            answerer.settings = self._settings(segmenter)

    def _announce(self, segmenter: Segmenter) -> None:
        space = painted(segmenter.label_space, self._parameters.colors)
        for topics in self._topics.values():
            topics.announce(
                space, self._opened().runs.drivable_classes, segmenter.info.bundle)

    def _on_jump(self, _: TimeJump) -> None:
        """Executor's thread: the node's clock went back, or became another."""
        self._watch.forget_ages()

    def _activity(self, idle: str) -> str:
        if not self.active:
            return idle
        return ('paused; images are answered once the parameter paused is false'
                if self._parameters.paused else 'active')

    def _engine_status(self, of_node: Values, idle: str) -> PartStatus:
        engine = self._opened()
        info = engine.info
        height, width = info.resolution
        level, message = DiagnosticStatus.OK, self._activity(idle)
        if self.unanswered_s > STALL_S:
            level, message = DiagnosticStatus.ERROR, (
                f'images have come for {self.unanswered_s:.0f} s and none was answered: the '
                'engine hangs; end the process and start it again')
        elif engine.trouble:
            level, message = DiagnosticStatus.WARN, engine.trouble
        return PartStatus(
            level,
            message,
            {
                'state': 'active' if self.active else 'inactive',
                'model': info.bundle,
                'sha256': engine.sha256,
                'network': info.network,
                'backbone': info.backbone,
                'precision': info.precision,
                'precision_run': info.precision_run,
                'resolution': f'{height}x{width}',
                'provider_asked': info.provider_asked,
                'provider': info.provider,
                'threads': info.threads,
                'batch': info.batch,
                'batch_note': info.batch_note,
                'fit': info.fit,
                'kernels': info.kernels,
                'output_size': self._parameters.output_size,
                'unanswered_s': self.unanswered_s,
                **engine.values(),
                **of_node,
            })

    def _receive(self, camera: str, message: Message) -> None:
        """
        Executor's thread: put the frame in its mailbox, if it can be read and is to be answered.

        The subscription stays when nobody listens, so that who comes gets the very next frame.
        """
        now = time.monotonic()
        self._watch.note_arrival(camera, now, age_ms(self._node, message))
        check = check_image if isinstance(message, Image) else check_compressed_image
        try:
            check(message)
        except MalformedImage as error:
            self._mailboxes.reject(camera, Outcome.MALFORMED)
            self._report(camera, Outcome.MALFORMED, error)
            return
        if self._parameters.paused:
            self._mailboxes.reject(camera, Outcome.PAUSED)
        elif not self._topics[camera].wanted():
            self._mailboxes.reject(camera, Outcome.UNWANTED)
        elif not self._limits[camera].admits(now):
            self._mailboxes.reject(camera, Outcome.LIMITED)
        else:
            self._mailboxes.put(camera, Frame(message, now))

    def _answer(self, frames: list[tuple[str, Frame]], answered: Answered) -> None:
        """Worker's thread: answer frames, and keep count of whether the engine works."""
        assert self._answerer is not None, 'the worker runs only while there is an answerer'

        def counted(camera: str, error: Exception | None) -> None:
            if isinstance(error, EngineError):
                self.last_failure = str(error)
                self._streak = min(self._streak, 0) - 1
            elif error is None:
                self._streak = max(self._streak, 0) + 1
            self._settled += error is None or isinstance(error, REFUSALS)
            answered(camera, error)

        with self._opened().in_work():
            self._answerer.answer(frames, counted)

    def _report(self, camera: str, outcome: Outcome, error: Exception) -> None:
        """Remember, and log once in a while, why a frame gets no answer."""
        self._watch.report(camera, outcome, error, self._mailboxes.counts(camera))
