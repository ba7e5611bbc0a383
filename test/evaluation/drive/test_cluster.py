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
"""Bags that workers of a Dask cluster score, which die at times."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from drive_runs import run_command
from drive_runs import without_times
from labelled_drives import labelled
from labelled_drives import unlabelled
from labelled_drives import write_drive
from recorded_bags import storage_file
from tiny_bundle import TINY
from tiny_bundle import write_tiny_bundle

from frm_perception.cli.main import main
from frm_perception.evaluation.drive.evaluate_bags import EvaluateBags
from frm_perception.evaluation.drive.evaluate_bags import Options
from frm_perception.evaluation.drive.labeller import ModelLabeller
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

distributed = pytest.importorskip('distributed', reason='needs requirements/cluster.txt')
import psutil  # noqa: E402

from frm_perception.evaluation.drive import worker  # noqa: E402
from frm_perception.evaluation.drive.cluster import LOCAL  # noqa: E402
from frm_perception.evaluation.drive.cluster import MOST_DEATHS  # noqa: E402
from frm_perception.evaluation.drive.cluster import ClusterScoring  # noqa: E402
from frm_perception.evaluation.drive.cluster import Scheduler  # noqa: E402
from frm_perception.evaluation.drive.worker import ClusterError  # noqa: E402

LONG, SHORT = 200, 30
DAMAGED = 3


@dataclass(frozen=True)
class Nights:
    """Three bags, the last of them damaged, a model, and a run of all in one process."""

    bags: list[Path]
    model: Path
    whole: Path

    def start(self, out: Path, *arguments: object) -> subprocess.Popen[str]:
        """Begin to evaluate the bags."""
        return run_command(*self.bags, '--model', self.model, '--output', out, *arguments)


@pytest.fixture(scope='module')
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Return bags and what one process makes of them."""
    folder = tmp_path_factory.mktemp('nights')
    bags = [write_drive(folder / 'monday', labelled('/front', LONG)),
            write_drive(folder / 'tuesday', labelled('/front', SHORT), unlabelled('/rear', SHORT)),
            write_drive(folder / 'wednesday', unlabelled('/front', SHORT))]
    file = storage_file(bags[2])
    file.write_bytes(file.read_bytes()[:file.stat().st_size * 2 // 3])
    made = Nights(bags, write_tiny_bundle(folder / 'models'), folder / 'whole')
    assert main(['bag', 'evaluate', *map(str, bags), '--model', str(made.model), '--output',
                 str(made.whole)]) == DAMAGED
    return made


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that score bags."""
    try:
        return [child for child in psutil.Process(process.pid).children()
                if any('spawn_main' in word for word in child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def lines(folder: Path, bag: str = '*') -> int:
    """Return how many records of a bag, or of all, have come."""
    return sum(file.read_bytes().count(b'\n')
               for file in (folder / 'frames').glob(f'{bag}/*.jsonl'))


def wait_for_records(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait for the first records, or for the end of the process."""
    while process.poll() is None and not lines(folder):
        time.sleep(0.001)


def test_the_report_is_that_of_a_run_in_one_process(nights: Nights, tmp_path: Path) -> None:
    process = nights.start(tmp_path, '--scheduler', 'local', '--workers', 2)
    error = process.communicate(timeout=120)[1]

    assert process.returncode == DAMAGED, error
    assert without_times(tmp_path) == without_times(nights.whole)
    assert RunFolder(tmp_path).read_report()['timings']['workers'] == 2
    assert all(line.startswith('frm bag evaluate: warning: wednesday:')
               for line in error.splitlines())


def test_the_bags_of_a_killed_worker_are_taken_by_another(
        nights: Nights, tmp_path: Path) -> None:
    process = nights.start(tmp_path, '--scheduler', 'local', '--workers', 2)
    wait_for_records(process, tmp_path)
    for killed in workers_of(process):
        killed.kill()
    before = lines(tmp_path)
    error = process.communicate(timeout=120)[1]

    assert process.returncode == DAMAGED, error
    assert 0 < before < lines(nights.whole)
    assert without_times(tmp_path) == without_times(nights.whole)


def test_a_bag_that_kills_workers_is_named_and_the_others_are_done(
        nights: Nights, tmp_path: Path) -> None:
    process = nights.start(tmp_path, '--scheduler', 'local', '--workers', 1)
    seen = 0
    while process.poll() is None:
        if lines(tmp_path, 'monday') > seen:
            for killed in workers_of(process):
                killed.kill()
            seen = lines(tmp_path, 'monday')
        time.sleep(0.001)
    error = process.communicate()[1]

    assert process.returncode == 1
    assert (f'monday: given up: {MOST_DEATHS} workers died while they evaluated it, the last one '
            f'after frame ') in error
    report = RunFolder(tmp_path).read_report()
    assert not report['complete']
    assert [bag['frames'] for bag in report['bags'][1:]] == [
        bag['frames'] for bag in RunFolder(nights.whole).read_report()['bags'][1:]]
    assert 0 < report['bags'][0]['frames'] < LONG
    assert list((tmp_path / 'overlays').glob('tuesday/*/*.jpg'))
    # The same command tries it again, and needs no cluster for that.
    process = nights.start(tmp_path)
    assert process.communicate(timeout=60) and process.returncode == DAMAGED
    assert without_times(tmp_path) == without_times(nights.whole)


def test_an_interrupted_run_leaves_no_worker_and_goes_on(nights: Nights, tmp_path: Path) -> None:
    process = nights.start(tmp_path, '--scheduler', 'local', '--workers', 2)
    wait_for_records(process, tmp_path)
    workers = workers_of(process)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=60)[1]

    assert process.returncode == 130
    assert error == (
        f'\nfrm bag evaluate: interrupted; the same command goes on from {tmp_path}\n')
    assert len(workers) == 2 and not any(worker.is_running() for worker in workers)
    before = RunFolder(tmp_path).read_report()
    assert not before['complete'] and 0 < before['figures']['frames'] < lines(nights.whole)
    process = nights.start(tmp_path, '--scheduler', 'local')
    assert process.communicate(timeout=60) and process.returncode == DAMAGED
    assert without_times(tmp_path) == without_times(nights.whole)


def test_nobody_else_can_give_work_to_local_workers() -> None:
    with Scheduler(LOCAL, 1).connected() as client:
        address = client.scheduler.address
        assert address.startswith('tls://127.0.0.1:')
        with pytest.raises(OSError):
            distributed.Client(address, security=distributed.Security.temporary(), timeout=1)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """Return a scheduler with one worker, elsewhere for all that the client knows."""
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False,
                                  dashboard_address='127.0.0.1:0') as cluster:
        yield Scheduler(cluster.scheduler_address)


@dataclass
class Night:
    """One short bag that a scheduler elsewhere is to have evaluated."""

    bag: Path
    model: Path
    run: EvaluateBags

    def evaluate(self, scheduler: Scheduler, folder: Path) -> None:
        """Have it done, as `frm bag evaluate` does."""
        segmenter = Segmenter.load(Bundle.load(self.model), threads=1)
        self.run.scoring = ClusterScoring(scheduler, segmenter, None, 5.0, 1, '')
        self.run.run(RunFolder(folder))


@pytest.fixture
def night(tmp_path: Path, tiny_bundle: Path) -> Night:
    """Return a bag of four frames."""
    bag = write_drive(tmp_path / 'night', labelled('/front', 4))
    segmenter = Segmenter.load(Bundle.load(tiny_bundle), threads=1)
    return Night(bag, tiny_bundle, EvaluateBags([bag], ModelLabeller(segmenter), Options()))


def test_a_scheduler_elsewhere_is_used_by_its_address(
        night: Night, scheduler: Scheduler, tmp_path: Path) -> None:
    night.evaluate(scheduler, tmp_path / 'run')
    assert lines(tmp_path / 'run') == 4
    assert night.run.scoring.workers == 1 and night.run.bags[0].finished


def test_a_worker_that_does_not_see_a_bag_is_named(
        night: Night, scheduler: Scheduler, tmp_path: Path) -> None:
    shutil.rmtree(night.bag)
    with pytest.raises(ClusterError, match=f'worker .* does not see {night.bag}'):
        night.evaluate(scheduler, tmp_path / 'run')


def test_a_bag_that_has_become_another_is_given_up(
        night: Night, scheduler: Scheduler, tmp_path: Path) -> None:
    shutil.rmtree(night.bag)
    write_drive(night.bag, labelled('/front', 7))
    night.evaluate(scheduler, tmp_path / 'run')
    assert not night.run.bags[0].finished
    assert 'is not the bag any more' in night.run.bags[0].damage[0]


def test_a_worker_with_another_model_is_refused(
        night: Night, scheduler: Scheduler, tmp_path: Path) -> None:
    segmenter = Segmenter.load(Bundle.load(night.model), threads=1)
    shutil.rmtree(night.model)
    space = type(TINY)(TINY.name, TINY.classes, TINY.palette[::-1], TINY.drivable)
    write_tiny_bundle(night.model.parent, space=space)
    night.run.scoring = ClusterScoring(scheduler, segmenter, None, 5.0, 1, '')
    with pytest.raises(ClusterError, match='a model with SHA-256 .* there and .* here'):
        night.run.run(RunFolder(tmp_path / 'run'))


def test_a_worker_with_another_program_is_refused(
        night: Night, scheduler: Scheduler, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('frm_perception.evaluation.drive.cluster.program',
                        lambda: {**worker.program(), 'numpy': '3.0'})
    with pytest.raises(ClusterError, match='has numpy .*, and this computer 3.0'):
        night.evaluate(scheduler, tmp_path / 'run')


def test_a_scheduler_without_the_package_is_refused(
        night: Night, scheduler: Scheduler, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('frm_perception.evaluation.drive.cluster._PROBE', 'frm_perception.new:x')
    with pytest.raises(ClusterError, match="the scheduler lacks .* 'frm_perception.new'"):
        night.evaluate(scheduler, tmp_path / 'run')


def test_a_worker_that_takes_several_bags_at_once_is_refused(
        night: Night, tmp_path: Path) -> None:
    with (distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False,
                                   dashboard_address='127.0.0.1:0') as cluster,
          pytest.raises(ClusterError, match='would take 2 bags at once')):
        night.evaluate(Scheduler(cluster.scheduler_address), tmp_path / 'run')


def test_a_scheduler_that_is_not_there_is_named(
        night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('frm_perception.evaluation.drive.cluster._CONNECT_S', 0.5)
    with pytest.raises(ClusterError, match='no Dask scheduler answers at tcp://127.0.0.1:9'):
        night.evaluate(Scheduler('tcp://127.0.0.1:9'), tmp_path / 'run')


def test_certificates_that_are_missing_are_asked_for(night: Night, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match='needs certificates: DASK_DISTRIBUTED__COMM__TLS__CA'):
        night.evaluate(Scheduler('tls://127.0.0.1:9'), tmp_path / 'run')


def test_a_cluster_without_workers_is_not_waited_for_for_ever(
        night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('frm_perception.evaluation.drive.cluster.WORKER_TIMEOUT_S', 1.0)
    with (distributed.LocalCluster(n_workers=0, processes=False,
                                   dashboard_address='127.0.0.1:0') as cluster,
          pytest.raises(ClusterError, match='the scheduler has had no worker for 1 s')):
        night.evaluate(Scheduler(cluster.scheduler_address), tmp_path / 'run')
