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
"""Tests that the engine changes while it serves, real node and real models, and no frame fails."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from listening import Listener
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import wait_until
from odd_bundles import add_precision
from odd_bundles import slow_model
from rclpy.qos import DurabilityPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from std_msgs.msg import String
from tiny_bundle import TINY
from tiny_bundle import tiny_model
from tiny_bundle import write_tiny_bundle

from frm_perception.labels import LabelSpace

SHIPPED = Path(__file__).parents[2] / 'models'
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                     durability=DurabilityPolicy.TRANSIENT_LOCAL)
RED = np.full((90, 150, 3), (255, 0, 0), np.uint8)
LONG = 8
"""So many times idle work lets an engine take seconds to be proved."""

OTHER = LabelSpace(
    name='other', classes=('grass', 'gravel', 'asphalt'),
    palette=((0, 255, 0), (0, 0, 255), (255, 0, 0)), drivable=('gravel',))


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Return a folder of models: tiny, also in a precision that is slow, and other."""
    models = tmp_path / 'models'
    write_tiny_bundle(models, 'other', 'other', OTHER)
    add_precision(write_tiny_bundle(models), 'slow', slow_model(LONG))
    return models


def start(probe: Probe, tmp_path: Path, models: Path, **parameters: object) -> SegmenterProcess:
    return SegmenterProcess(
        probe, tmp_path / 'log', cameras=['front'], model_dir=models, threads=1,
        overrides={'front/image_raw': RELIABLE}, **parameters)


def activate(node: SegmenterProcess) -> None:
    assert node.change_state('configure') and node.change_state('activate')


def stream(camera: Camera, until: Callable[[], object]) -> int:
    """Publish an image every 10 ms until something is so; return how many that were."""
    sent = 0
    end = time.monotonic() + 60.0
    while not until():
        assert time.monotonic() < end
        camera.publisher.publish(image_message(RED, 'rgb8'))
        sent += 1
        time.sleep(0.01)
    return sent


def every_frame_is_accounted_for(
        camera: Camera, diagnostics: Diagnostics, sent: int) -> None:
    _, values = diagnostics.status_where('front', received=str(sent), in_flight='0')
    assert values['failed'] == values['malformed'] == '0'
    assert int(values['answered']) + int(values['dropped']) == sent
    wait_until(lambda: len(camera.answers['label']) == int(values['answered']), 'all answers')


def test_the_precision_changes_under_a_steady_stream_of_frames(
        probe: Probe, tmp_path: Path) -> None:
    with start(probe, tmp_path, SHIPPED, resolution='96x160') as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        activate(node)
        camera.connected()
        sent = 0
        for precision, run in (('int8', 'int8'), ('fp32', 'fp32')):
            assert node.set_parameter('precision', precision) == ''
            sent += stream(camera, lambda p=precision: any(
                pair.key == 'precision' and pair.value == p and status.name == 'segmenter: engine'
                for message in diagnostics.arrays[-1:] for status in message.status
                for pair in status.values))
            _, values = diagnostics.next_status('engine')
            assert run in values['precision_run']
            assert (values['building'], values['failed_change']) == ('', '')
        every_frame_is_accounted_for(camera, diagnostics, sent)
        assert 'Traceback' not in node.log()


def test_resolution_and_fit_change_together_and_the_parameters_say_so(
        probe: Probe, bundles: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, bundles, output_size='network') as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        activate(node)
        assert camera.connected().ask(image_message(RED, 'rgb8'))[0].shape == (96, 160)
        assert node.set_together(resolution='128x256', fit='stretch') == ''
        _, values = diagnostics.status_where('engine', resolution='128x256')
        assert values['fit'] == 'stretch'
        assert camera.ask(image_message(RED, 'rgb8'))[0].shape == (128, 256)
        assert node.get_parameters(['resolution']) == {'resolution': '128x256'}


def test_what_is_not_possible_is_refused_at_once_and_changes_nothing(
        probe: Probe, bundles: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, bundles) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        activate(node)
        camera.connected()
        for wrong, why in (
                ({'resolution': '100x100'}, 'the nearest is 96x96 or 128x128'),
                ({'resolution': '8192x8192'}, 'from 64x64 to 1088x2048'),
                ({'precision': 'int8'}, "has no precision 'int8'; it has fp32, slow"),
                ({'precision': 'bf16', 'provider': 'cpu'}, "has no precision 'bf16'"),
                ({'backbone': 'van-b9'}, 'other: backbone other, precision fp32'),
                ({'model_dir': str(tmp_path / 'nowhere')}, 'no folder of models'),
                ({'backbone': 'other', 'drivable_classes': ['road']},
                 'it has grass, gravel, asphalt'),
                ({'backbone': 'other', 'palette': ['road=#000000']},
                 'are grass, gravel, asphalt'),
                ({'provider': 'torch', 'precision': 'slow'}, 'it computes in fp32')):
            assert why in node.set_together(output_size='network', **wrong)
            assert camera.ask(image_message(RED, 'rgb8'))[0].shape == (90, 150)
        _, values = diagnostics.next_status('engine')
        assert (values['model'], values['resolution'], values['building']) == (
            'tiny', '96x160', '')


def test_another_model_brings_its_own_classes_legend_and_drivable_area(
        probe: Probe, bundles: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, bundles, palette=['road=#112233']) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera, \
            Listener(probe, node, 'front/segmentation/legend', String, LATCHED) as legend:
        activate(node)
        labels, drivable = camera.connected().ask(image_message(RED, 'rgb8'))
        assert (labels == TINY.classes.index('road')).all() and (drivable == 255).all()
        assert "'road'" in node.set_parameter('backbone', 'other')  # the palette names it
        assert node.set_together(backbone='other', palette=['asphalt=#445566']) == ''
        diagnostics.status_where('engine', model='other')
        labels, drivable = camera.ask(image_message(RED, 'rgb8'))
        assert (labels == OTHER.classes.index('asphalt')).all() and not drivable.any()
        told = json.loads(wait_until(
            lambda: next((m.data for m in legend.heard if '"other"' in m.data), None), 'a legend'))
        assert [entry['name'] for entry in told['classes']] == list(OTHER.classes)
        assert told['classes'][2]['color'] == [0x44, 0x55, 0x66]
        assert node.set_parameter('drivable_classes', ['asphalt']) == ''
        wait_until(lambda: camera.ask(image_message(RED, 'rgb8'))[1].any(), 'a drivable area')
        with Listener(probe, node, 'front/segmentation/legend', String, LATCHED) as late:
            assert json.loads(late.first().data)['classes'][2]['drivable']


def test_a_model_that_cannot_be_loaded_leaves_the_one_before_and_its_parameters(
        probe: Probe, bundles: Path, tmp_path: Path) -> None:
    damaged = add_precision(bundles / 'tiny', 'fast', tiny_model())
    damaged.write_bytes(damaged.read_bytes() + b'\0')
    with start(probe, tmp_path, bundles, palette=['road=#112233']) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        activate(node)
        camera.connected()
        assert node.set_together(precision='fast', resolution='128x256', max_age=0.0) == ''
        sent = stream(camera, lambda: 'could not be built' in node.log())
        status, values = diagnostics.next_status('engine')
        assert status.level == DiagnosticStatus.WARN
        for text in (status.message, values['failed_change'], node.log()):
            assert "precision='fast'" in text and 'mend the cause and set them again' in text
        assert 'SHA-256' in values['failed_change']
        assert (values['precision'], values['resolution']) == ('fp32', '96x160')
        assert node.get_parameters(['precision', 'resolution', 'palette']) == {
            'precision': 'fp32', 'resolution': 'auto', 'palette': ['road=#112233']}
        every_frame_is_accounted_for(camera, diagnostics, sent)
        damaged.write_bytes(tiny_model())
        assert node.set_together(precision='fast') == ''
        status, _ = diagnostics.status_where('engine', precision='fast', failed_change='')
        assert status.level == DiagnosticStatus.OK


def test_of_two_changes_the_newer_one_wins(probe: Probe, bundles: Path, tmp_path: Path) -> None:
    with start(probe, tmp_path, bundles) as node, \
            Diagnostics(probe, node) as diagnostics, node.camera('front', qos=DEEP) as camera:
        activate(node)
        camera.connected()
        assert node.set_parameter('precision', 'slow') == ''
        assert node.set_together(precision='fp32', resolution='64x128') == ''
        sent = stream(camera, lambda: 'at 64x128 in fp32' in node.log())
        diagnostics.status_where('engine', resolution='64x128', precision='fp32', building='')
        every_frame_is_accounted_for(camera, diagnostics, sent)
        assert node.log().count('images are answered by the new engine') == 1
        assert 'is not wanted any more' in node.log()


@pytest.mark.parametrize('transitions', [['deactivate'], ['deactivate', 'cleanup'], ['shutdown']])
def test_transitions_do_not_wait_for_an_engine_that_is_being_built(
        probe: Probe, bundles: Path, tmp_path: Path, transitions: list[str]) -> None:
    with start(probe, tmp_path, bundles) as node, Diagnostics(probe, node) as diagnostics:
        activate(node)
        assert node.set_parameter('precision', 'slow') == ''
        for transition in transitions:
            assert node.change_state(transition)
        assert 'new engine' not in node.log()
        if transitions == ['deactivate']:
            wait_until(lambda: 'new engine' in node.log(), 'the engine to be built', 120.0)
            diagnostics.status_where('engine', state='inactive', precision='slow', building='')
        elif transitions[-1] == 'cleanup':
            assert node.set_parameter('precision', 'fp32') == ''
            assert node.change_state('configure') and node.change_state('activate')
            with node.camera('front', qos=DEEP) as camera:
                camera.connected().ask(image_message(RED, 'rgb8'))
        assert 'Traceback' not in node.log()


def test_a_signal_while_an_engine_is_being_built_ends_the_process_cleanly(
        probe: Probe, bundles: Path, tmp_path: Path) -> None:
    add_precision(bundles / 'tiny', 'endless', slow_model(1000))
    with start(probe, tmp_path, bundles) as node, Diagnostics(probe, node) as diagnostics:
        activate(node)
        assert node.set_parameter('precision', 'endless') == ''
        _, values = diagnostics.status_where('engine', building="with precision='endless'")
        assert values['precision'] == 'fp32'
        assert node.end(signal.SIGTERM) == 0
        assert 'Traceback' not in node.log()
