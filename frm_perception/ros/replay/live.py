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
"""The evaluation of a running node on a recording: its answers, and what became of the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from frm_perception.evaluation.drive.drive_run import evaluate_drive
from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
from frm_perception.evaluation.drive.evaluate_bags import Options as DriveOptions
from frm_perception.evaluation.drive.frame_reader import FrameImage
from frm_perception.evaluation.drive.images import DecodedImage
from frm_perception.evaluation.drive.images import Reduction
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.drive.run_folder import RunFolderError
from frm_perception.evaluation.drive.scorer import FrameLabels
from frm_perception.evaluation.record import percentiles
from frm_perception.evaluation.report.write import write_reports
from frm_perception.labels import LabelSpace
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import replacing
from frm_perception.ros.parameter_table import SPECS
from frm_perception.ros.replay.books import UNDECIDED
from frm_perception.ros.replay.exchange import ANSWER
from frm_perception.ros.replay.exchange import CONFIDENCE
from frm_perception.ros.replay.exchange import CameraExchange
from frm_perception.ros.replay.node_reports import NodeReports
from frm_perception.ros.replay.participant import Participant
from frm_perception.ros.replay.participant import ReplayError
from frm_perception.ros.replay.replay import Options
from frm_perception.ros.replay.replay import Replay
from frm_perception.ros.replay.spool import Spool
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.segmenter import jpeg_reduction
from frm_perception.runtime.share import share_folder

_ENGINE = ('sha256', 'network', 'backbone', 'precision', 'precision_run', 'provider_asked',
           'provider', 'threads', 'batch', 'batch_note', 'fit', 'kernels')
"""What of the engine's metrics describes the model in a report, under the same names."""
_SERVES = ('model', 'resolution', 'precision', 'provider')
"""What must not change while it is evaluated, or the figures are of several models."""


Wanted = Callable[[LabelSpace, tuple[str, ...]], DriveOptions]


class NodeLabeller:
    """
    Gives frames the labels that a node answered them with, and leaves out the others.

    :param replay: which has found the node.
    :param space: what the node's labels mean.
    """

    def __init__(self, replay: Replay, reports: NodeReports, space: LabelSpace) -> None:
        self._exchanges = replay.exchanges
        self._engine = dict(reports.engine)
        self._space = space
        self._bundle = _bundle_of(replay.parameters, self._engine)

    @property
    def label_space(self) -> LabelSpace:
        """What the labels mean."""
        return self._space

    @property
    def second_space(self) -> None:
        """There is no second model."""
        return None

    @property
    def reductions(self) -> Sequence[Reduction]:
        """How small the node decodes images: as what evaluates its model itself does."""
        bundle = self._bundle
        if bundle is None:
            return [lambda _: 1]
        size, fit = _resolution(self._engine), str(self._engine['fit'])
        return [lambda picture: jpeg_reduction(picture, size, bundle.output.stride, fit)]

    def describe(self) -> tuple[dict[str, Any], None]:
        """Return the model, as the node says."""
        engine, bundle = self._engine, self._bundle
        file = None
        if bundle is not None:
            file = str(bundle.folder / bundle.entry(engine['precision']).file)
        return {
            'bundle': engine['model'], 'resolution': list(_resolution(engine)),
            **{name: engine[name] for name in _ENGINE},
            'fallback': None, 'note': None, 'kernels_note': None, 'file': file,
            'label_space': self._space.name}, None

    def label(self, frames: Generator[FrameImage, None, None]
              ) -> Generator[tuple[FrameImage, FrameLabels], None, None]:
        """Yield the frames that the node answered, in their order, with the answers."""
        with closing(frames):
            for frame in frames:
                found = self._answer(frame.camera, frame.frame.index)
                if found is not None:
                    yield frame, found

    def show(self, camera: str, index: int, image: DecodedImage) -> FrameLabels:
        """Return the answer to a frame once more, for a picture."""
        found = self._answer(camera, index)
        assert found is not None, 'only frames that were answered have a record'
        return found

    def _answer(self, camera: str, index: int) -> FrameLabels | None:
        exchange = self._exchanges[camera]
        sent = exchange.sent.get(index)
        if sent is None or sent.latency_ms is None:
            return None
        images = exchange.images(index)
        label, drivable = (images[output] for output in ANSWER)
        return FrameLabels(label, drivable, {'total': sent.latency_ms}, images.get(CONFIDENCE))


def evaluate_live(recording: Recording, options: Options, drive: Wanted, folder: RunFolder,
                  restart: bool, late_ms: float | None, say: Callable[[str], None]
                  ) -> dict[str, Any]:
    """
    Play a recording to the running node, and evaluate what it answers; return the report.

    :param drive: what is evaluated, by what the node's labels mean and the topics that it takes.
    :param restart: forget what an earlier run left in the folder.
    :param late_ms: milliseconds after which an answer is late; None takes the node's deadline.
    :param say: told what there is to be said on the way.
    :raises ReplayError: nobody answers, or not in a way that can be evaluated. Where the node goes
        while it is evaluated, there is a report of what it answered until then.
    :raises RunFolderError: there is a run in the folder, or something else.
    :raises MediaError, ValueError: see :class:`EvaluateBags`.
    :raises OSError: something cannot be written.
    """
    with folder.locked():
        if folder.report_file.exists() and not restart:
            raise RunFolderError(f'{folder.path} has a run already; choose another folder, or '
                                 '--restart')
        folder.clear()
        with Spool(folder.path) as spool:
            with Participant() as participant:
                replay = Replay(participant, recording, options, spool)
                run, changes = _prepare(replay, recording, drive, say)
                ended = ''
                try:
                    for line in replay.play():
                        say(line)
                except ReplayError as error:  # what was answered until then is worth its figures
                    ended = f'the play ended early: {error}'
            limit = late_ms or replay.parameters['deadline_ms'] or None
            run.live = _live(replay, options, limit, [*([ended] if ended else []), *changes])
            for exchange in replay.exchanges.values():
                _write_fates(folder.live_file(run.bags[0].name, exchange.topic), exchange)
            report = evaluate_drive(run, folder, restart=False)
        write_reports(folder)
    if ended:
        raise ReplayError(f'{ended} What was answered before is in {folder.path}')
    return report


def _prepare(replay: Replay, recording: Recording, drive: Wanted,
             say: Callable[[str], None]) -> tuple[EvaluateBags, list[str]]:
    """
    Find the node, and what is wrong with the evaluation before anything is played.

    :return: the evaluation, and a list that changes of the engine will be noted in.
    """
    for line in replay.find_listeners():
        say(line)
    reports = replay.reports
    assert reports is not None, 'a spool asks for them'
    if reports.engine['output_size'] != 'camera':
        raise ReplayError(f'{reports.name} answers in the size of its network; set its parameter '
                          'output_size to camera, which true labels and figures are of')
    space = reports.legend(next(iter(replay.exchanges.values())).camera, replay.options.wait_s)
    run = EvaluateBags([recording.path], NodeLabeller(replay, reports, space),
                       drive(space, tuple(replay.exchanges)))
    changes: list[str] = []
    serving = [reports.engine[name] for name in _SERVES]

    def watch(latest: Mapping[str, Any]) -> None:
        now = [latest['engine'][name] for name in _SERVES]
        if now != serving:
            changes.append(f'the engine changed from {_engine_text(serving)} to '
                           f'{_engine_text(now)} while it was evaluated')
            serving[:] = now

    reports.listen(watch)
    return run, changes


def _live(replay: Replay, options: Options, late_ms: float | None, changes: Sequence[str]
          ) -> dict[str, Any]:
    """Return what became of the images, for the report; docs/bags.md explains the keys."""
    exchanges = replay.exchanges
    every = [latency for exchange in exchanges.values() for latency in exchange.latencies_ms()]
    cameras = {topic: _of_camera(exchange, late_ms) for topic, exchange in exchanges.items()}
    unanswered: Counter[str] = Counter()
    for camera in cameras.values():
        unanswered.update(camera['unanswered'])
    late = [camera['late'] for camera in cameras.values()]
    return {
        'node': options.node, 'parameters': dict(replay.parameters), 'rate': options.rate,
        'late_ms': late_ms,
        **{name: sum(camera[name] for camera in cameras.values())
           for name in ('published', 'answered', 'lost')},
        'late': None if late_ms is None else sum(late), 'unanswered': dict(unanswered),
        'latency_ms': percentiles(every),
        'notes': [*changes, *replay.notes(), *_rules(replay.parameters), *(
            f'{topic}: {note}' for topic, camera in cameras.items() for note in camera['notes'])],
        'cameras': cameras}


def _rules(parameters: Mapping[str, Any]) -> list[str]:
    """Return why masks differ from those of `frm bag evaluate`, if they do."""
    others = [f'{name} {parameters[name]!r}' for name, spec in SPECS.items()
              if name.startswith('drivable_') and parameters[name] != spec.default]
    return [f'the node has rules of its own for the drivable area, which frm bag evaluate has '
            f'not: {", ".join(others)}'] if others else []


def _of_camera(exchange: CameraExchange, late_ms: float | None) -> dict[str, Any]:
    balance, latencies = exchange.book.balance(), exchange.latencies_ms()
    return {
        'name': exchange.camera, 'published': balance.published, 'answered': balance.answered,
        'late': None if late_ms is None else sum(value > late_ms for value in latencies),
        'unanswered': dict(balance.unanswered), 'lost': balance.lost,
        'latency_ms': percentiles(latencies), 'notes': exchange.notes()}


def _write_fates(file: Path, exchange: CameraExchange) -> None:
    """Write a line for every image that was played, in their order."""
    with replacing(file) as partial, partial.open('w', encoding='utf-8') as lines:
        for sent in exchange.sent.values():
            lines.write(json.dumps({
                'index': sent.number, 'stamp_ns': sent.stamp_ns,
                'published_ns': sent.published_ns, 'latency_ms': sent.latency_ms,
                'fate': exchange.book.fates.get(sent.number, UNDECIDED)}) + '\n')


def _bundle_of(parameters: Mapping[str, Any], engine: Mapping[str, Any]) -> Bundle | None:
    """Return the node's bundle, where this computer has it in the same place."""
    try:
        models = (Path(parameters['model_dir']).expanduser() if parameters['model_dir']
                  else share_folder('models'))
        bundle = find_bundle(models, engine['model'], engine['precision'])
        same = bundle.entry(engine['precision']).sha256 == engine['sha256']
    except (BundleError, OSError):
        return None
    return bundle if same else None


def _resolution(engine: Mapping[str, Any]) -> tuple[int, int]:
    height, width = map(int, engine['resolution'].split('x'))
    return height, width


def _engine_text(serves: Sequence[object]) -> str:
    model, resolution, precision, provider = serves
    return f'{model} at {resolution} ({precision}, {provider})'
