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
Hostile messages by the hundred thousand, mixed with good images, to a real node over DDS.

The node has cameras of raw and of compressed images. Bursts of hostile messages, of every kind of
`hostile.py`, alternate with one good image each, whose answer is waited for and compared with what
a segmenter in this process makes of the same pixels. To two cameras, `counted`, images are sent so
that the middleware loses none: what the node says it received, refused and answered must be what
was sent, to the last message. Two more, `open`, have the quality of service that the node has by
itself. They also get bytes that are no messages at all, which the middleware keeps from the node:
of a reliable subscription Fast DDS never takes another message after such bytes. Memory is that of
the node's process, from the first fifth of the run on, in which allocators find their size.
"""

from __future__ import annotations

import array
import sys
import time
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from itertools import islice
from itertools import repeat
from typing import Any
from typing import NamedTuple

import cv2
import numpy as np
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import SegmenterProcess
from node_process import image_message
from node_process import new_header
from numpy.typing import NDArray
from probe import Probe
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from tqdm import tqdm

from benchmarks.hostile import EITHER
from benchmarks.hostile import KINDS
from benchmarks.hostile import MALFORMED
from benchmarks.hostile import hostile_messages
from benchmarks.hostile import odd_header
from benchmarks.program import Demand
from benchmarks.program import conclude
from benchmarks.program import option_parser
from benchmarks.system import private_system
from benchmarks.system import running
from benchmarks.system import settled_counts
from frm_perception.cli.arguments import count
from frm_perception.evaluation.memory import growth
from frm_perception.evaluation.record import markdown_table
from frm_perception.runtime.bundle import find_bundle
from frm_perception.runtime.resident_memory import resident_mib
from frm_perception.runtime.segmenter import OUTPUT_SIZES
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.share import share_folder
from frm_perception.scenes import RenderedDrive

MOST_GROWTH_MIB = 10.0
COUNTED = {'raw_counted': 'image', 'packed_counted': 'compressed'}
CAMERAS = {**COUNTED, 'raw_open': 'image', 'packed_open': 'compressed'}
"""The cameras of the node, and the topic of :class:`~benchmarks.hostile.Kind` for each."""
_RESOLUTION = '64x96'
_THREADS = 1
_SIZES = ((97, 161), (64, 96), (33, 201), (120, 90))
_CONVERSIONS = {'rgb8': None, 'bgr8': cv2.COLOR_RGB2BGR, 'mono8': cv2.COLOR_RGB2GRAY,
                'bgra8': cv2.COLOR_RGB2BGRA}
_LONGEST_BURST = 20
_BURSTS_OF_A_SIZE = 50
_SAMPLES = 100
_TIME_TO_LOOK_S = 0.005
"""Until the next message, so that most of what may be right is looked into, and not dropped."""

Answer = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Good(NamedTuple):
    """
    A good image.

    :param topic: `image` or `compressed`.
    :param form: encoding of a raw image, or of a compressed one `jpeg` or `png`.
    :param pixels: as the form has them, or the bytes of the picture.
    :param answers: labels and drivable mask by output size, (H, W) uint8 each.
    """

    topic: str
    form: str
    pixels: NDArray[np.uint8]
    answers: dict[str, Answer]

    def message(self, random: np.random.Generator) -> Any:
        """Return a new message of it, every other time under an odd header."""
        header = odd_header(random) if random.integers(2) else new_header()
        if self.topic == 'image':
            return image_message(self.pixels, self.form, int(random.integers(5)), header)
        return CompressedImage(header=header, format=self.form,
                               data=array.array('B', self.pixels.tobytes()))


def good_images(segmenter: Segmenter) -> dict[str, list[Good]]:
    """Return good images of several sizes and forms by topic, with their answers."""
    found: dict[str, list[Good]] = {'image': [], 'compressed': []}
    for index, (height, width) in enumerate(_SIZES):
        image = RenderedDrive(index, height, width, 1)[0].image
        for encoding, code in _CONVERSIONS.items():
            pixels = image if code is None else np.asarray(cv2.cvtColor(image, code), np.uint8)
            found['image'].append(Good('image', encoding, pixels, {
                size: _answer(segmenter.segment(pixels, encoding, size))
                for size in OUTPUT_SIZES}))
        for form, suffix in (('jpeg', '.jpg'), ('png', '.png')):
            picture = np.asarray(cv2.imencode(suffix, image[..., ::-1])[1], np.uint8)
            found['compressed'].append(Good('compressed', form, picture, {
                size: _answer(segmenter.segment_compressed(picture.tobytes(), size))
                for size in OUTPUT_SIZES}))
    return found


def _answer(result: Any) -> Answer:
    return result.labels.copy(), result.drivable.copy()


class Attack:
    """
    Sends to a node and keeps the books, each by camera.

    :param hostile: how many hostile messages there are in all.
    """

    def __init__(self, probe: Probe, node: SegmenterProcess, hostile: int, seed: int) -> None:
        self._probe = probe
        self._node = node
        self._hostile = hostile
        self._random = np.random.default_rng(seed)
        self.kinds: Counter[str] = Counter()
        self.fates: dict[str, Counter[str]] = {camera: Counter() for camera in CAMERAS}
        self.good: Counter[str] = Counter()
        self.heard: Counter[str] = Counter()
        self.wrong = 0
        self.memory_mib: list[float] = []

    def sent(self, camera: str) -> int:
        """Return how many images the node has to have received, where none is lost."""
        fates = self.fates[camera]
        return self.good[camera] + fates[MALFORMED] + fates[EITHER]

    def run(self, goods: Mapping[str, Sequence[Good]]) -> None:
        """
        Send everything.

        :param goods: good images by topic.
        :raises AssertionError: a good image got no answer.
        """
        with ExitStack() as held:
            cameras = {name: held.enter_context(self._camera(name)) for name in CAMERAS}
            infos = {name: self._probe.node.create_publisher(
                CameraInfo, f'{self._node.namespace}/{name}/camera_info', qos_profile_sensor_data)
                for name in CAMERAS}
            messages = {name: hostile_messages(self._random, topic, readable=name in COUNTED)
                        for name, topic in CAMERAS.items()}
            sizes = self._sizes()
            with tqdm(total=self._hostile, unit='message') as progress:
                for name in cycle(CAMERAS):
                    burst = min(int(self._random.integers(1, _LONGEST_BURST)),
                                self._hostile - progress.n)
                    for kind, message in islice(messages[name], burst):
                        self.kinds[kind.name] += 1
                        self.fates[name][kind.fate] += 1
                        publisher = (infos[name] if kind.topic == 'camera_info'
                                     else cameras[name].publisher)
                        publisher.publish(message)
                        if kind.fate == EITHER:
                            time.sleep(_TIME_TO_LOOK_S)
                    self._ask(name, cameras[name], goods[CAMERAS[name]], next(sizes))
                    progress.update(burst)
                    if progress.n * _SAMPLES // self._hostile > len(self.memory_mib):
                        self.memory_mib.append(resident_mib(self._node.process.pid))
                    if progress.n == self._hostile:
                        return

    def _camera(self, name: str) -> Camera:
        """Return a camera that the node reads."""
        compressed = CAMERAS[name] == 'compressed'
        if name in COUNTED:
            return self._node.camera(name, compressed=compressed, qos=DEEP).connected()
        return self._node.camera(name, compressed=compressed).answering()

    def _sizes(self) -> Iterator[str]:
        """Yield the size that answers have, and let the node have another one now and then."""
        for size in cycle(OUTPUT_SIZES):
            refused = self._node.set_parameter('output_size', size)
            assert not refused, refused
            yield from repeat(size, _BURSTS_OF_A_SIZE)

    def _ask(self, name: str, camera: Camera, goods: Sequence[Good], size: str) -> None:
        """Send a good image and compare its answer."""
        good = goods[self._random.integers(len(goods))]
        found = camera.ask(good.message(self._random))
        self.good[name] += 1
        self.wrong += not all(map(np.array_equal, found, good.answers[size]))
        # Answers come in order: none is on its way behind this one.
        self.heard[name] += len(camera.answers['label'])
        for heard in camera.answers.values():
            heard.clear()


def measure(hostile: int, seed: int) -> tuple[dict[str, Any], list[Demand]]:
    """
    Send so many hostile messages.

    :return: what :func:`table` prints, and what :func:`demands` makes of it.
    """
    bundle = find_bundle(share_folder('models'))
    with Segmenter.load(bundle, resolution=_RESOLUTION, threads=_THREADS) as segmenter:
        goods = good_images(segmenter)
    reliable = {'raw_counted/image_raw': RELIABLE, 'packed_counted/image_raw/compressed': RELIABLE}
    with private_system(processes=2) as probe, running(
            probe, cameras=list(CAMERAS), transport='raw,compressed,raw,compressed',
            resolution=_RESOLUTION, threads=_THREADS, overrides=reliable
    ) as node, Diagnostics(probe, node) as diagnostics:
        assert node.change_state('configure') and node.change_state('activate'), node.log()
        attack = Attack(probe, node, hostile, seed)
        attack.run(goods)
        cameras = [{'name': camera, 'sent': attack.sent(camera), 'good': attack.good[camera],
                    'fates': dict(attack.fates[camera]), 'heard': attack.heard[camera],
                    'counts': settled_counts(
                        diagnostics, camera, attack.sent(camera) if camera in COUNTED else 0)}
                   for camera in CAMERAS]
        _, engine = diagnostics.next_status('engine')
    results = {
        'hostile': hostile, 'seed': seed, 'model': bundle.name, 'resolution': _RESOLUTION,
        'kinds': {kind.name: attack.kinds[kind.name] for kind in KINDS}, 'cameras': cameras,
        'wrong': attack.wrong, 'state': engine['state'], 'restarts': int(engine['restarts']),
        'memory_mib': attack.memory_mib, 'growth_mib': growth(attack.memory_mib)}
    return results, demands(results)


def demands(results: dict[str, Any]) -> list[Demand]:
    """Return what has to hold, and whether it does."""
    found = [
        Demand('every good image is answered with the right labels and mask',
               f'{results["wrong"]} wrong of {sum(each["good"] for each in results["cameras"])}',
               results['wrong'] == 0),
        Demand('the node is active and its engine was never started again',
               f'{results["state"]}, {results["restarts"]} restarts',
               results['state'] == 'active' and results['restarts'] == 0),
        Demand(f'memory grows by less than {MOST_GROWTH_MIB:g} MiB',
               f'{results["growth_mib"]:+.1f} MiB', results['growth_mib'] < MOST_GROWTH_MIB)]
    for camera in results['cameras']:
        name, counts, fates = camera['name'], camera['counts'], camera['fates']
        may_be, bad = fates.get(EITHER, 0), fates.get(MALFORMED, 0)
        decided = counts['answered'] + counts['dropped'] + counts['malformed']
        found.append(Demand(
            f'{name}: what was received is answered, dropped or malformed',
            f'{counts["received"]} received, {decided} decided', counts['received'] == decided))
        if name in COUNTED:
            found += [
                Demand(f'{name}: what was sent was received',
                       f'{camera["sent"]} sent, {counts["received"]} received',
                       camera['sent'] == counts['received']),
                Demand(f'{name}: all that is malformed, and nothing good, is refused',
                       f'{counts["malformed"]} refused of {bad} and {may_be} that may be either',
                       bad <= counts['malformed'] <= bad + may_be),
                Demand(f'{name}: only what may be either is dropped for newer ones',
                       f'{counts["dropped"]} dropped', counts['dropped'] <= may_be),
                Demand(f'{name}: what was answered was heard',
                       f'{counts["answered"]} answered, {camera["heard"]} heard',
                       counts['answered'] == camera['heard'])]
    return found


def table(results: dict[str, Any]) -> str:
    """Return how many messages of each kind were sent, as a Markdown table."""
    fates = {kind.name: kind.fate for kind in KINDS}
    return markdown_table([
        ['hostile message', 'what has to become of it', 'sent'],
        *([name, fates[name], str(sent)] for name, sent in results['kinds'].items())])


def main(arguments: Sequence[str]) -> int:
    """Run the program; return the exit status."""
    parser = option_parser('fuzz', __doc__)
    parser.add_argument('--messages', type=count, default=100_000, metavar='N',
                        help='hostile ones; good ones come on top (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    args = parser.parse_args(arguments)
    return conclude('fuzz', partial(measure, args.messages, args.seed), table, args.json)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
