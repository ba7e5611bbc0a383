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
"""`CameraInfo` for scaled images: that projections stay right, and what the node publishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from node_process import DEEP
from node_process import RELIABLE
from node_process import Camera
from node_process import Diagnostics
from node_process import Probe
from node_process import SegmenterProcess
from node_process import image_message
from node_process import key_of
from node_process import new_header
from node_process import wait_until
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import RegionOfInterest

from frm_perception.ros.camera_info import CameraInfoMismatch
from frm_perception.ros.camera_info import camera_info_for
from frm_perception.runtime.geometry import FITS
from frm_perception.runtime.geometry import Geometry
from frm_perception.runtime.geometry import View

sizes = st.tuples(st.integers(1, 4096), st.integers(1, 4096))


def info_of(height: int, width: int, **fields: Any) -> CameraInfo:
    """Return the info of a camera with a lens, skew and a baseline in both directions."""
    info = CameraInfo(height=height, width=width, distortion_model='plumb_bob', **fields)
    info.d = [-0.3, 0.1, 0.001, -0.002, 0.01]
    info.k = [500.0, 2.0, width / 2 + 3, 0.0, 510.0, height / 2 - 5, 0.0, 0.0, 1.0]
    info.r = [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [480.0, 0.0, width / 2 + 4, -60.0, 0.0, 490.0, height / 2 - 6, 7.0,
              0.0, 0.0, 1.0, 0.0]
    return info


def project(info: CameraInfo, point: np.ndarray) -> np.ndarray:
    """Return where P sees a point (x, y, z), in the pixels of the whole sensor."""
    u, v, w = np.reshape(info.p, (3, 4)) @ [*point, 1]
    return np.array([u / w, v / w])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes, sizes, st.floats(-3, 3), st.floats(-3, 3), st.floats(0.5, 100))
def test_a_point_is_seen_at_the_same_place_of_the_scaled_image(
        image: tuple[int, int], copy: tuple[int, int], x: float, y: float, z: float) -> None:
    info, header = info_of(*image), new_header()
    scaled = camera_info_for(info, header, image, View.whole(image), copy)
    point = np.array([x, y, z])
    ratio = np.array([copy[1] / image[1], copy[0] / image[0]])
    np.testing.assert_allclose(project(scaled, point), project(info, point) * ratio, rtol=1e-9,
                               atol=1e-9)
    np.testing.assert_allclose(
        np.reshape(scaled.k, (3, 3)), np.diag([*ratio, 1]) @ np.reshape(info.k, (3, 3)))
    assert scaled.header == header
    assert (scaled.height, scaled.width) == copy
    assert scaled.distortion_model == info.distortion_model
    assert list(scaled.d) == list(info.d)
    assert list(scaled.r) == list(info.r)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes, st.integers(0, 4), st.booleans())
def test_for_an_image_of_its_own_size_only_the_header_changes(
        image: tuple[int, int], binning: int, rectify: bool) -> None:
    info = info_of(*image, binning_x=binning, roi=RegionOfInterest(
        width=image[1] // 2, height=image[0], do_rectify=rectify))
    same = camera_info_for(info, new_header(), image, View.whole(image), image)
    assert same.header != info.header
    info.header = same.header
    assert same == info


def test_the_region_of_a_whole_image_is_scaled_and_its_binning_stays() -> None:
    info = info_of(1000, 2000, binning_x=1, binning_y=1, roi=RegionOfInterest(
        x_offset=30, y_offset=100, width=2000 - 30, height=801, do_rectify=True))
    scaled = camera_info_for(
        info, new_header(), (1000, 2000), View(0, 0, 1000, 2000), (250, 400))
    assert scaled.roi == RegionOfInterest(
        x_offset=6, y_offset=25, width=394, height=200, do_rectify=True)
    assert (scaled.binning_x, scaled.binning_y) == (1, 1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 300), st.integers(0, 200),
       st.floats(-3, 3), st.floats(-3, 3))
def test_region_and_binning_become_part_of_the_matrices(
        across: int, down: int, left: int, top: int, x: float, y: float) -> None:
    info = info_of(1080, 1920, binning_x=across, binning_y=down, roi=RegionOfInterest(
        x_offset=left, y_offset=top, width=641, height=403, do_rectify=True))
    image, copy = (403 // down, 641 // across), (96, 160)
    scaled = camera_info_for(info, new_header(), image, View.whole(image), copy)
    point = np.array([x, y, 5.0])
    in_image = (project(info, point) - [left, top]) / [across, down]
    np.testing.assert_allclose(
        project(scaled, point), in_image * [copy[1] / image[1], copy[0] / image[0]], atol=1e-9)
    assert scaled.roi == RegionOfInterest()
    assert (scaled.binning_x, scaled.binning_y) == (0, 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes, st.sampled_from(FITS), st.integers(0, 2**32 - 1))
def test_a_pixel_of_every_fit_is_seen_where_the_camera_sees_it(
        image: tuple[int, int], how: str, seed: int) -> None:
    geometry = Geometry.fit(image, (384, 640), 4, how)
    view, copy = geometry.view, geometry.content
    info = info_of(*image)
    scaled = camera_info_for(info, new_header(), image, view, copy)
    random = np.random.default_rng(seed)
    point = np.array([*random.uniform(-2, 2, 2), random.uniform(1, 50)])
    expected = ((project(info, point) - [view.left, view.top])
                * [copy[1] / view.width, copy[0] / view.height])
    np.testing.assert_allclose(project(scaled, point), expected, rtol=1e-9, atol=1e-6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 300), st.integers(0, 200))
def test_a_crop_of_a_region_of_binned_pixels_is_both(
        across: int, down: int, left: int, top: int) -> None:
    info = info_of(1080, 1920, binning_x=across, binning_y=down, roi=RegionOfInterest(
        x_offset=left, y_offset=top, width=641, height=403, do_rectify=True))
    image = 403 // down, 641 // across
    view = Geometry.fit(image, (96, 96), 4, 'crop').view
    scaled = camera_info_for(info, new_header(), image, view, (96, 96))
    point = np.array([0.3, -0.2, 5.0])
    in_view = ((project(info, point) - [left, top]) / [across, down] - [view.left, view.top])
    np.testing.assert_allclose(
        project(scaled, point), in_view * [96 / view.width, 96 / view.height], atol=1e-9)


@pytest.mark.parametrize(('region', 'expected'), [
    ((0, 0, 0, 0), (0, 0, 0, 0)), ((0, 0, 2000, 1000), (0, 0, 500, 400)),
    ((600, 300, 200, 100), (50, 50, 100, 50)), ((0, 0, 700, 400), (0, 0, 100, 100)),
    ((0, 0, 400, 1000), (0, 0, 0, 0))])
def test_a_crop_cuts_the_region_of_a_whole_image(
        region: tuple[int, int, int, int], expected: tuple[int, int, int, int]) -> None:
    def roi(x: int, y: int, width: int, height: int) -> RegionOfInterest:
        return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    scaled = camera_info_for(info_of(1000, 2000, roi=roi(*region)), new_header(), (1000, 2000),
                             View(200, 500, 800, 1000), (400, 500))
    assert scaled.roi == roi(*expected)


def test_a_camera_without_calibration_stays_one() -> None:
    info = CameraInfo(height=480, width=640, roi=RegionOfInterest(
        x_offset=100, y_offset=100, width=320, height=240))
    scaled = camera_info_for(
        info, new_header(), (240, 320), View(0, 0, 240, 320), (120, 160))
    assert not scaled.k.any() and not scaled.p.any()
    assert (scaled.height, scaled.width) == (120, 160)


@pytest.mark.parametrize('fields', [
    {}, {'binning_x': 2}, {'roi': RegionOfInterest(width=320, height=241)}])
def test_an_info_of_another_size_is_refused_with_both_sizes(fields: dict[str, Any]) -> None:
    with pytest.raises(CameraInfoMismatch, match='but the image has 320x240'):
        camera_info_for(info_of(480, 640, **fields), new_header(), (240, 320),
                        View(0, 0, 240, 320), (96, 160))


class InfoCamera(Camera):
    """A camera that publishes camera infos, too, and collects those of the answers."""

    def __init__(self, probe: Probe, name: str) -> None:
        super().__init__(probe, name, qos=DEEP)
        self._infos = probe.node.create_publisher(
            CameraInfo, f'{name}/camera_info', qos_profile_sensor_data)
        self.found: dict[tuple[int, int, str], CameraInfo] = {}
        self._subscriptions.append(probe.node.create_subscription(
            CameraInfo, f'{name}/segmentation/camera_info', self._take_info, 100))

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._node.destroy_publisher(self._infos)

    def _take_info(self, info: CameraInfo) -> None:
        self.found[key_of(info.header)] = info

    def tell(self, info: CameraInfo) -> None:
        """Publish what the camera is."""
        self._infos.publish(info)

    def introduce(self, info: CameraInfo) -> None:
        """Publish what the camera is until answers show that the node has taken it."""
        asked = []

        def known() -> bool:
            self.tell(info)
            asked.append(self.ask_blank(info.height, info.width))
            return any(key in self.found for key in asked)

        wait_until(known, 'an answer with a camera info')

    def ask_blank(self, height: int, width: int) -> tuple[int, int, str]:
        """Ask with an image of that size; return what identifies it."""
        image = image_message(np.zeros((height, width, 3), np.uint8), 'rgb8')
        self.ask(image)
        return key_of(image.header)


@pytest.fixture
def node(probe: Probe, models: Path, tmp_path: Path) -> Iterator[SegmenterProcess]:
    with SegmenterProcess(
            probe, tmp_path / 'log', model_dir=models, output_size='network',
            overrides={'camera/image_raw': RELIABLE}) as process:
        assert process.change_state('configure') and process.change_state('activate')
        yield process


def test_every_answer_has_a_camera_info_that_fits_the_label_image(
        probe: Probe, node: SegmenterProcess) -> None:
    size = (150, 200)
    with InfoCamera(probe, f'{node.namespace}/camera') as camera:
        camera.connected()
        unknown = camera.ask_blank(*size)
        camera.introduce(info_of(*size))
        for _ in range(5):
            key = camera.ask_blank(*size)
            info = wait_until(lambda k=key: camera.found.get(k), 'a camera info')
            label = camera.answers['label'][key]
            assert (label.height, label.width) != size
            assert info == camera_info_for(
                info_of(*size), label.header, size, View.whole(size),
                    (label.height, label.width))
        assert unknown not in camera.found


def test_a_camera_info_of_another_size_is_counted_and_not_published(
        probe: Probe, node: SegmenterProcess) -> None:
    with InfoCamera(probe, f'{node.namespace}/camera') as camera, \
            Diagnostics(probe, node) as diagnostics:
        camera.connected()

        def refused() -> bool:
            camera.tell(info_of(480, 640))
            unfit.append(camera.ask_blank(150, 200))
            return diagnostics.next_status('camera')[1]['unfit_camera_infos'] != '0'

        unfit: list[tuple[int, int, str]] = []
        wait_until(refused, 'an image that the camera info does not fit')
        fitting = camera.ask_blank(480, 640)
        wait_until(lambda: fitting in camera.found, 'a camera info that fits')
        assert not camera.found.keys() & set(unfit)
        assert 'it is of images of 640x480 pixels, but the image has 200x150' in node.log()


def test_a_camera_info_from_before_a_pause_is_forgotten(
        probe: Probe, node: SegmenterProcess) -> None:
    with InfoCamera(probe, f'{node.namespace}/camera') as camera:
        camera.connected()
        camera.introduce(info_of(60, 80))
        assert node.change_state('deactivate')
        camera.disconnected()
        assert node.change_state('activate')
        camera.connected()
        first = camera.ask_blank(60, 80)
        camera.introduce(info_of(60, 80))
        assert first not in camera.found
