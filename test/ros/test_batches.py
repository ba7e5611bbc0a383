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
"""Frames of several cameras in one inference, in a running node."""

from __future__ import annotations

import array
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import key_of
from node_process import new_header
from node_process import pixels_of
from node_process import wait_until
from odd_bundles import write_slow_bundle
from odd_bundles import write_slow_fragile_bundle
from sensor_msgs.msg import CompressedImage
from tiny_bundle import TINY

from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.segmenter import Segmenter

NAMES = ('front', 'rear', 'left')
SIZE = '64x96'
"""Of the network's input: the slow network is not to be slower than that frames wait."""


def picture(seed: int) -> np.ndarray:
    """Return (97+seed,161,3) RGB in dim colours of classes, another one for each seed."""
    labels = np.random.default_rng(seed).integers(0, 4, (4, 5)).astype(np.uint8)
    large = cv2.resize(labels, (161, 97 + seed), interpolation=cv2.INTER_NEAREST)
    return (np.array(TINY.palette, np.uint8)[large] * 0.7).astype(np.uint8)


def send_until(cameras: list[Camera], messages: Callable[[], list[object]],
               done: Callable[[], bool]) -> None:
    """Publish one message of each camera again and again, so that they wait for one another."""
    def enough() -> bool:
        for camera, message in zip(cameras, messages(), strict=True):
            camera.publisher.publish(message)
        return done()

    wait_until(enough, 'batches', deadline=120.0)


def batched(diagnostics: Diagnostics) -> list[int]:
    """Return how many frames of each camera were answered in batches, as was said last."""
    values = {status.name: {pair.key: pair.value for pair in status.values}
              for status in diagnostics.arrays[-1].status}
    return [int(values[f'segmenter: {name}']['batched']) for name in NAMES]


@pytest.mark.parametrize('provider', ['cpu', 'openvino'])
def test_answers_of_batches_are_those_of_the_images_one_by_one(
        probe: Probe, tmp_path: Path, provider: str) -> None:
    write_slow_bundle(tmp_path / 'models')
    images = [picture(index) for index in range(3)]
    with Segmenter.load(Bundle.load(tmp_path / 'models' / 'tiny'), provider=provider,
                        resolution=SIZE) as reference:
        expected = [reference.segment(image).labels for image in images]
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=list(NAMES), model_dir=tmp_path / 'models',
            provider=provider, max_batch=3, resolution=SIZE,
            overrides={f'{name}/image_raw': RELIABLE for name in NAMES}
    ) as node, Diagnostics(probe, node) as diagnostics, ExitStack() as held:
        assert node.change_state('configure') and node.change_state('activate')
        _, engine = diagnostics.status_where('engine', state='active')
        assert engine['batch'] == '3' and engine['batch_note'] in node.log()
        assert engine['batch_note'].startswith('batches of up to 3: 3 images take ')
        cameras = [held.enter_context(node.camera(name, qos=DEEP)) for name in NAMES]
        for camera in cameras:
            camera.answering()
        send_until(cameras, lambda: [image_message(image, 'rgb8') for image in images],
                   lambda: min(batched(diagnostics)) > 3)
        for camera, labels in zip(cameras, expected, strict=True):
            assert len(camera.answers['label']) > 3
            for message in list(camera.answers['label'].values()):
                np.testing.assert_array_equal(pixels_of(message), labels)


def test_what_is_wrong_with_a_frame_does_not_touch_the_others_of_its_batch(
        probe: Probe, tmp_path: Path) -> None:
    """One that the network fails for, and one that turns out to be cut off when it is decoded."""
    write_slow_fragile_bundle(tmp_path / 'models')
    bright = np.full((40, 60, 3), 250, np.uint8)
    jpeg = cv2.imencode('.jpg', picture(3))[1].tobytes()
    sent = dict.fromkeys(NAMES, 0)
    good = []

    def messages() -> list[object]:
        good.append(image_message(picture(0), 'rgb8'))
        for name in NAMES:
            sent[name] += 1
        return [good[-1], image_message(bright, 'rgb8'), CompressedImage(
            header=new_header(), format='jpeg', data=array.array('B', jpeg[:-300]))]

    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=list(NAMES), model_dir=tmp_path / 'models',
            provider='cpu', max_batch=3, resolution=SIZE, transport='raw,raw,compressed',
            overrides={'front/image_raw': RELIABLE, 'rear/image_raw': RELIABLE,
                       'left/image_raw/compressed': RELIABLE}
    ) as node, Diagnostics(probe, node) as diagnostics, ExitStack() as held:
        assert node.change_state('configure') and node.change_state('activate')
        assert diagnostics.status_where('engine', state='active')[1]['batch'] == '3'
        cameras = [held.enter_context(node.camera(
            name, qos=DEEP, compressed=name == 'left')).connected() for name in NAMES]

        def counts(name: str) -> dict[str, int]:
            _, values = diagnostics.next_status(name)
            return {key: int(values[key]) for key in (
                'received', 'answered', 'dropped', 'failed', 'malformed', 'in_flight')}

        send_until(cameras, messages, lambda: counts('front')['answered'] > 5)
        for name, fate in (('front', 'answered'), ('rear', 'failed'), ('left', 'malformed')):
            found = wait_until(lambda n=name: (
                found if (found := counts(n))['received'] == sent[n] and not found['in_flight']
                else None), f'all frames of {name}')
            assert found[fate] > 0 and found[fate] + found['dropped'] == sent[name]
        answered = {key_of(message.header) for message in good} & set(cameras[0].answers['label'])
        assert len(answered) == counts('front')['answered']


def test_where_batches_do_not_pay_there_are_none_and_the_reason_is_told(
        probe: Probe, models: Path, tmp_path: Path) -> None:
    with SegmenterProcess(
            probe, tmp_path / 'log', cameras=list(NAMES), model_dir=models, provider='cpu',
            max_batch=0
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure')
        _, engine = diagnostics.status_where('engine', state='inactive')
        assert engine['batch_note'].startswith(
            'no batches: ' if engine['batch'] == '1' else 'batches of up to 3: ')
        assert 'in one inference, and one takes' in engine['batch_note']
        assert engine['batch_note'] in node.log()
