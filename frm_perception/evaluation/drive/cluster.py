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
"""Bags handed to the workers of a Dask cluster, whose records come together here."""

from __future__ import annotations

import logging
from collections import Counter
from collections import deque
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pkgutil import resolve_name
from queue import Empty
from queue import Queue
from time import monotonic
from typing import Any
from uuid import uuid4

import dask
from distributed import Client
from distributed import Future
from distributed import KilledWorker
from distributed import LocalCluster
from distributed import Security
from distributed.utils import silence_logging_cmgr

from frm_perception.evaluation.drive import worker
from frm_perception.evaluation.drive.evaluate_bags import DoneRecords
from frm_perception.evaluation.drive.evaluate_bags import DriveBag
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.worker import BagOutcome
from frm_perception.evaluation.drive.worker import ClusterError
from frm_perception.evaluation.drive.worker import WorkerJob
from frm_perception.evaluation.drive.worker import WorkerModel
from frm_perception.evaluation.drive.worker import program
from frm_perception.evaluation.drive.worker import score_bag
from frm_perception.media.files import MediaError
from frm_perception.runtime.segmenter import Segmenter

LOCAL = 'local'
"""The scheduler that is none: workers are started on this computer, and end with the run."""

MOST_DEATHS = 3
"""A bag during which so many workers have died is given up."""

WORKER_TIMEOUT_S = 60.0
"""So long a run waits for a worker when there is none."""

_PROBE = f'{worker.__name__}:__name__'
_LACKS = 'lacks this package, or has another version of it'
_LOOK_S = 1.0
_CONNECT_S = 10.0
_HERE = '127.0.0.1:0'


@dataclass(frozen=True)
class Scheduler:
    """
    Where workers are.

    :param address: :data:`LOCAL`, or that of a scheduler, such as 'tcp://HOST:8786'.
    :param workers: how many are started; of no meaning with an address.
    """

    address: str
    workers: int = 0

    @contextmanager
    def connected(self) -> Iterator[Client]:
        """
        Start what has to be started, and end it at the end, busy or not.

        :raises ClusterError: nothing answers at the address, or certificates are missing.
        """
        # A bag that goes on late takes all its records along, which Dask would warn of.
        with dask.config.set({'distributed.admin.large-graph-warning-threshold': '1 TB'}), \
                silence_logging_cmgr(logging.CRITICAL), \
                self._local() if self.address == LOCAL else self._remote() as client:
            yield client

    @contextmanager
    def _remote(self) -> Iterator[Client]:
        security = _security(self.address)
        try:
            client = Client(self.address, timeout=_CONNECT_S, security=security,
                            set_as_default=False)
        except OSError as error:
            raise ClusterError(f'no Dask scheduler answers at {self.address}: {error}') from error
        with client:
            yield client

    @contextmanager
    def _local(self) -> Iterator[Client]:
        # A task that a worker dies of is not given to the next by the scheduler: it would start
        # from the beginning, and what only waited for the worker would be blamed, too. Keys are
        # made for this run alone, so that no other user of the computer can give the workers
        # work; OpenMP gets one thread from Dask's own settings, inference has its own.
        with dask.config.set({'distributed.scheduler.allowed-failures': 0}), LocalCluster(
                n_workers=self.workers, threads_per_worker=1, processes=True, security=True,
                memory_limit=0, preload=[worker.__name__], silence_logs=logging.CRITICAL,
                dashboard_address=_HERE, worker_dashboard_address=_HERE) as cluster, Client(
                cluster, set_as_default=False) as client:
            yield client


class ClusterScoring:
    """
    Has bags scored by the workers of a cluster, each bag by one of them.

    A bag whose worker dies is taken by another, which goes on after the last frame that came, and
    is given up when :data:`MOST_DEATHS` workers have died of it; one that a worker cannot read is
    given up at once. Others go on meanwhile.

    :param segmenter: the model, which is to run on the workers as it does here.
    :param second: a model whose labels are compared with the model's.
    :param tolerance_ms: most milliseconds between the stamps of an image and its labels.
    :param threads: of one inference in each worker, as :meth:`.Segmenter.load` takes them.
    :param engine_cache: folder of built engines, '' for each worker's own.
    """

    def __init__(self, scheduler: Scheduler, segmenter: Segmenter, second: Segmenter | None,
                 tolerance_ms: float, threads: int, engine_cache: str) -> None:
        self.workers = scheduler.workers
        self._scheduler = scheduler
        self._job = WorkerJob(
            WorkerModel.of(segmenter, threads, engine_cache),
            None if second is None else WorkerModel.of(second, threads, engine_cache),
            tolerance_ms, program(), f'frm_perception-{uuid4().hex}')

    def records(self, bags: Sequence[DriveBag], done: DoneRecords
                ) -> Generator[FrameRecord, None, None]:
        """
        See :meth:`.evaluate_bags.Scoring.records`.

        :raises ClusterError: a worker lacks something, or the cluster has gone.
        :raises RunFolderError: the records that are there are not what a worker finds.
        :raises EngineError: a network failed.
        """
        with self._scheduler.connected() as client:
            shift = _Shift(client, self._job, bags, done)
            yield from shift.records()
            self.workers = shift.most_workers


class _Shift:
    """
    The bags of one run on their way to workers and back.

    :ivar most_workers: how many there have been at once.
    """

    def __init__(self, client: Client, job: WorkerJob, bags: Sequence[DriveBag],
                 done: DoneRecords) -> None:
        self.most_workers = 0
        self._client = client
        self._job = job
        self._done = done
        self._bags = {bag.name: bag for bag in bags}
        self._waiting = deque(bags)
        self._running: dict[str, Future[BagOutcome]] = {}
        self._worker: dict[str, str] = {}
        self._deaths: Counter[str] = Counter()
        self._frames: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], int] = {}
        self._inbox: Queue[dict[str, Any] | str] = Queue()
        self._workers = 0
        self._known: set[str] = set()
        self._look_at = self._seen_at = monotonic()

    def records(self) -> Generator[FrameRecord, None, None]:
        """Yield all records in the order in which they come."""
        try:
            self._client.run_on_scheduler(resolve_name, _PROBE)
        except ImportError as error:
            raise ClusterError(f'the scheduler {_LACKS}: {error}') from error
        self._client.subscribe_topic(self._job.topic, lambda event: self._inbox.put(event[1]))
        while self._waiting or self._running:
            self._look()
            self._hand_out()
            try:
                message = self._inbox.get(timeout=_LOOK_S)
            except Empty:
                continue
            if isinstance(message, str):
                self._finish(self._bags[message], self._running.pop(message))
            else:
                yield from self._arrived(message)

    def _look(self) -> None:
        """
        Count the workers, now and then.

        :raises ClusterError: there is none for long, or one takes several bags at once or lacks
            this package.
        """
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        found: dict[str, int] = self._client.nthreads()
        for address, bags in found.items():
            if bags != 1:
                raise ClusterError(
                    f'worker {address} would take {bags} bags at once, and none may die of '
                    f'another\'s: start workers with "dask worker ... --nthreads 1 --nworkers N"')
        self._require_package(sorted(found.keys() - self._known))
        self._known |= found.keys()
        if found:
            self._seen_at = now
        elif now - self._seen_at > WORKER_TIMEOUT_S:
            raise ClusterError(f'the scheduler has had no worker for {WORKER_TIMEOUT_S:.0f} s')
        self._workers = len(found)
        self.most_workers = max(self.most_workers, self._workers)

    def _require_package(self, workers: list[str]) -> None:
        # Dask closes a worker that cannot import what it is to do, without a word to the client.
        answers: dict[str, object] = {}
        if workers:
            answers = self._client.run(resolve_name, _PROBE, workers=workers, on_error='return')
        for address, answer in answers.items():
            if isinstance(answer, ImportError):
                raise ClusterError(f'worker {address} {_LACKS}: {answer}') from answer

    def _hand_out(self) -> None:
        # No more than there are workers: a bag that waits in a worker would die with it.
        while self._waiting and len(self._running) < self._workers:
            bag = self._waiting.popleft()
            done = self._done(bag)
            for camera, records in done.items():
                self._frames[bag.name, camera] = len(records)
                if records:
                    self._last[bag.name, camera] = records[-1].index
            future = self._client.submit(score_bag, self._job, bag, done, pure=False)
            self._running[bag.name] = future
            future.add_done_callback(lambda _, name=bag.name: self._inbox.put(name))

    def _arrived(self, event: dict[str, Any]) -> Iterator[FrameRecord]:
        """Yield what is new of an event's records: after a death, the scheduler may repeat."""
        self._worker[event['bag']] = event['worker']
        for line in event['lines']:
            record = FrameRecord.from_line(line)
            place = record.bag, record.camera
            if record.index > self._last.get(place, -1):
                self._last[place] = record.index
                self._frames[place] += 1
                yield record

    def _finish(self, bag: DriveBag, future: Future[BagOutcome]) -> None:
        """
        Take the outcome of a bag.

        :raises ClusterError: the scheduler has gone, or records that were sent have not come.
        """
        if future.cancelled():
            raise ClusterError('the scheduler has gone, or has dropped the work')
        error = future.exception()
        if isinstance(error, KilledWorker):
            self._mourn(bag, error)
            return
        self._worker.pop(bag.name, None)
        if isinstance(error, MediaError):
            _give_up(bag, str(error))
        elif error is not None:
            raise error
        else:
            self._accept(bag, future.result())

    def _mourn(self, bag: DriveBag, error: KilledWorker) -> None:
        """Have a bag begun again, unless too many workers have died while they scored it."""
        self._look_at = monotonic()
        # Unless it only waited there behind the bag that the worker died of.
        died = error.last_worker.address
        if self._worker.get(bag.name) == died or died not in self._worker.values():
            self._deaths[bag.name] += error.allowed_failures + 1
        if self._deaths[bag.name] < MOST_DEATHS:
            self._waiting.append(bag)
            return
        frames = sum(count for (name, _), count in self._frames.items() if name == bag.name)
        _give_up(bag, f'{self._deaths[bag.name]} workers died while they evaluated it, the last '
                      f'one after frame {frames} of {bag.images}')

    def _accept(self, bag: DriveBag, outcome: BagOutcome) -> None:
        came = {camera.topic: self._frames[bag.name, camera.topic] for camera in bag.cameras}
        if came != outcome.frames:
            raise ClusterError(f'{bag.name}: {sum(outcome.frames.values())} records were made, '
                               f'and {sum(came.values())} came')
        bag.damage, bag.unread = outcome.bag.damage, outcome.bag.unread
        bag.unmatched = outcome.bag.unmatched


def _security(address: str) -> Security:
    """
    Return what Dask's settings say of certificates.

    :raises ClusterError: the address needs some and there are none, or they cannot be read.
    """
    security = Security()
    try:
        context = security.get_connection_args('client')['ssl_context']
    except OSError as error:
        raise ClusterError(f"the certificates of Dask's settings cannot be read: {error}"
                           ) from error
    if address.startswith('tls:') and context is None:
        raise ClusterError(f'{address} needs certificates: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, '
                           f'..._TLS__CLIENT__CERT and ..._TLS__CLIENT__KEY name their files')
    return security


def _give_up(bag: DriveBag, reason: str) -> None:
    bag.finished = False
    bag.damage = (f'given up: {reason}; the same command tries it again',)
