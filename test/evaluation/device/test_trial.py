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
"""A variant in a process of its own: what it tells, and that its end is not ours."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from time import sleep

import numpy as np
import pytest

from frm_perception.evaluation.device.trial import IMAGES
from frm_perception.evaluation.device.trial import PARTS
from frm_perception.evaluation.device.trial import Trial
from frm_perception.evaluation.device.trial import TrialError
from frm_perception.evaluation.device.trial import run_apart
from frm_perception.evaluation.variant import Variant
from frm_perception.runtime.bundle import Bundle

LIMIT_S = 60.0


@pytest.fixture
def trial(tiny_bundle: Path, tmp_path: Path) -> Trial:
    images = np.random.default_rng(0).integers(0, 256, (2, 72, 96, 3), np.uint8)
    np.save(tmp_path / IMAGES, images)
    return Trial(Variant(Bundle.load(tiny_bundle), 'cpu', 'fp32', (64, 96), 1), 0.01, tmp_path,
                 str(tmp_path / 'engines'))


def test_a_trial_tells_what_ran_how_long_frames_took_and_which_labels_are_right(
        trial: Trial) -> None:
    found = run_apart(trial, lambda line: None)
    assert (found['provider_run'], found['precision_run']) == ('cpu', 'fp32')
    assert found['label_agreement'] == 1
    assert found['frames'] >= PARTS == len(found['p50_ms_of_parts'])
    assert found['latency_ms']['p50'] >= found['stages_ms']['infer']['p50'] > 0
    assert found['engine'] == 'unused'  # ONNX Runtime on the CPU has nothing to keep
    assert min(found['load_s'], found['seconds'], found['resident_mib']) > 0


def test_what_does_not_run_says_why(trial: Trial) -> None:
    missing = replace(trial, variant=replace(trial.variant, provider='tensorrt'))
    with pytest.raises(TrialError, match='tensorrt was asked for'):
        run_apart(missing, lambda line: None)


@pytest.fixture
def killer() -> Iterator[None]:
    """Kill the process of a trial as the kernel does where memory runs out."""
    def kill() -> None:
        end = monotonic() + LIMIT_S
        while not multiprocessing.active_children() and monotonic() < end:
            sleep(0.01)
        for process in multiprocessing.active_children():
            process.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


@pytest.mark.usefixtures('killer')
def test_a_process_that_is_killed_is_a_trial_that_failed(trial: Trial) -> None:
    with pytest.raises(TrialError, match='SIGKILL, which the kernel sends where memory runs out'):
        run_apart(replace(trial, seconds=LIMIT_S), lambda line: None)
