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
"""What a worker of a Dask cluster does: it scores one bag, and sends records as they are made."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from distributed import Worker
from distributed import get_worker

from frm_perception.evaluation.drive.drive_report import PACKAGES
from frm_perception.evaluation.drive.evaluate_bags import DriveBag
from frm_perception.evaluation.drive.evaluate_bags import ScoringInTurn
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.labeller import ModelLabeller
from frm_perception.evaluation.record import provenance
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.segmenter import SegmenterInfo

_SEND_RECORDS = 16
_SEND_SECONDS = 0.5
_ON_A_WORKER = 'everything that a run uses has to be at the same path on every worker'


class ClusterError(ValueError):
    """A cluster is not fit for a run, or has gone; the message says what to do."""


@dataclass(frozen=True)
class WorkerModel:
    """
    Which model a worker has to load, and what is to come of it.

    :param folder: its bundle.
    :param sha256: of its file, in hexadecimal.
    :param info: how it runs where the run was begun.
    :param threads: of one inference, as :meth:`.Segmenter.load` takes them.
    :param engine_cache: folder of built engines, '' for the worker's own.
    """

    folder: Path
    sha256: str
    info: SegmenterInfo
    threads: int
    engine_cache: str

    @classmethod
    def of(cls, segmenter: Segmenter, threads: int, engine_cache: str) -> WorkerModel:
        """Return what a worker needs in order to do as a segmenter does."""
        return cls(segmenter.bundle.folder.resolve(), _sha256(segmenter.bundle, segmenter.info),
                   segmenter.info, threads, engine_cache)


@dataclass(frozen=True)
class WorkerJob:
    """
    What is the same for all bags of a run.

    :param second: the model that is compared with the model, or None.
    :param tolerance_ms: most milliseconds between the stamps of an image and its labels.
    :param origin: :func:`program` of the computer where the run was begun.
    :param topic: of Dask's events, under which records are sent.
    """

    model: WorkerModel
    second: WorkerModel | None
    tolerance_ms: float
    origin: Mapping[str, Any]
    topic: str


@dataclass(frozen=True)
class BagOutcome:
    """
    What is known of a bag when its last frame is scored.

    :param bag: with what was wrong with it.
    :param frames: by camera, how many records there are now, with those that were there before.
    """

    bag: DriveBag
    frames: Mapping[str, int]


def dask_setup(_: Worker) -> None:
    """Leave Ctrl-C to the process that started this one, which ends it; Dask calls this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def program() -> dict[str, Any]:
    """Return what has to be the same on all computers for figures to mean the same."""
    found = provenance(PACKAGES)
    versions: Any = found['versions']
    return {'the package at commit': found['commit'], **versions}


def score_bag(job: WorkerJob, bag: DriveBag, done: dict[str, list[FrameRecord]]) -> BagOutcome:
    """
    Score what is not done of a bag, in a worker; send the records as events of ``job.topic``.

    An event is ``{'bag': name, 'worker': address, 'lines': records}``; the first of a bag has no
    lines. It ends early where nobody wants the result any more.

    :raises ClusterError: the worker has not what it needs, or something else than it should.
    :raises MediaError: the bag cannot be read.
    :raises RunFolderError: the records that are there are not what the models find here.
    :raises EngineError: a network failed.
    """
    worker = get_worker()
    frames = Counter({camera: len(records) for camera, records in done.items()})
    events = _Events(worker, job.topic, bag.name)
    events.send()
    _require_program(worker, job.origin)
    if not bag.path.exists():
        raise ClusterError(f'worker {worker.address} does not see {bag.path}: {_ON_A_WORKER}')
    segmenter = _loaded(job.model, worker.address)
    second = None if job.second is None else _loaded(job.second, worker.address)
    scoring = ScoringInTurn(ModelLabeller(segmenter, second), job.tolerance_ms)
    with closing(scoring.records([bag], lambda _: done)) as records:
        for record in records:
            events.add(record)
            frames[record.camera] += 1
            if not events.wanted():
                break
    events.send()
    return BagOutcome(bag, dict(frames))


class _Events:
    """Records on their way from a worker, several at once, in their order."""

    def __init__(self, worker: Worker, topic: str, bag: str) -> None:
        self._worker = worker
        self._topic = topic
        self._bag = bag
        self._task = worker.get_current_task()
        self._lines: list[str] = []
        self._sent = monotonic()

    def add(self, record: FrameRecord) -> None:
        """Send a record soon."""
        self._lines.append(record.to_line())
        if len(self._lines) >= _SEND_RECORDS or monotonic() - self._sent >= _SEND_SECONDS:
            self.send()

    def send(self) -> None:
        """Send what was added."""
        self._worker.log_event(self._topic, {
            'bag': self._bag, 'worker': self._worker.address, 'lines': self._lines})
        self._lines = []
        self._sent = monotonic()

    def wanted(self) -> bool:
        """Tell whether the scheduler still waits for this bag: Dask does not stop a thread."""
        task = self._worker.state.tasks.get(self._task)
        return task is not None and task.state == 'executing'


@lru_cache(maxsize=2)
def _loaded(model: WorkerModel, address: str) -> Segmenter:
    """
    Load a model once for all bags that the worker gets.

    :raises ClusterError: it is not there, is another one, or runs otherwise.
    """
    try:
        return _load(model)
    except (EngineError, OSError, ValueError) as error:
        raise ClusterError(f'worker {address} cannot do as this computer: {error}; '
                           f'{_ON_A_WORKER}') from error


def _load(model: WorkerModel) -> Segmenter:
    bundle = Bundle.load(model.folder)
    info = model.info
    sha256 = _sha256(bundle, info)
    if sha256 != model.sha256:
        raise ValueError(f'{model.folder} has a model with SHA-256 {sha256} there and '
                         f'{model.sha256} here')
    height, width = info.resolution
    segmenter = Segmenter.load(
        bundle, resolution=f'{height}x{width}', precision=info.precision,
        provider=info.provider_asked, threads=model.threads, fit=info.fit,
        cache=open_cache(model.engine_cache, lambda line: print(line, file=sys.stderr)))
    found = segmenter.info
    if (found.provider, found.precision_run) != (info.provider, info.precision_run):
        raise ValueError(
            f'the model runs by {found.provider} in {found.precision_run} there and by '
            f'{info.provider} in {info.precision_run} here, and figures would differ; --provider '
            f'chooses what both have')
    return segmenter


def _sha256(bundle: Bundle, info: SegmenterInfo) -> str:
    return bundle.entry(info.precision).sha256


@lru_cache(maxsize=1)
def _program() -> dict[str, Any]:
    return program()


def _require_program(worker: Worker, origin: Mapping[str, Any]) -> None:
    mine = _program()
    for name in dict.fromkeys([*origin, *mine]):
        if origin.get(name) != mine.get(name):
            raise ClusterError(
                f'worker {worker.address} has {name} {mine.get(name)}, and this computer '
                f'{origin.get(name)}: install the same on both')
