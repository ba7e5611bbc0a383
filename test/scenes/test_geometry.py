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
"""Tests of the renderer's geometry: camera, road, and labels where projection puts them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from frm_perception.labels import CAMVID
from frm_perception.scenes.camera import NEAR
from frm_perception.scenes.camera import Camera
from frm_perception.scenes.camera import clip_near
from frm_perception.scenes.ground import Ground
from frm_perception.scenes.ground_map import paint_ground
from frm_perception.scenes.layout import make_layout
from frm_perception.scenes.light import make_light
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.road import Road
from frm_perception.scenes.vehicles import Mesh
from frm_perception.scenes.vehicles import draw_vehicle
from frm_perception.scenes.vehicles import make_bus
from frm_perception.scenes.vehicles import make_car
from frm_perception.scenes.vehicles import make_lorry
from frm_perception.scenes.vehicles import make_van

CAR, ROAD = CAMVID.classes.index('car'), CAMVID.classes.index('road')

cameras = st.builds(
    Camera, width=st.just(96), height=st.just(64), focal=st.floats(50, 150),
    x=st.floats(-100, 100), y=st.floats(-100, 100), eye=st.floats(1, 2.5),
    heading=st.floats(-3, 3), pitch=st.floats(-0.1, 0.2), roll=st.floats(-0.1, 0.1),
    bend=st.floats(-1 / 1500, 1 / 1500))


@settings(deadline=None, max_examples=50)
@given(cameras)
def test_the_ground_seen_at_a_pixel_projects_back_to_it(camera: Camera) -> None:
    right, ahead = camera.ground()
    near = np.isfinite(ahead) & (ahead < 150) & (ahead > 0)
    x, y = camera.to_world(right[near], ahead[near])
    pixels = camera.to_pixels(camera.to_camera(np.stack((x, y, np.zeros_like(x)), 1)))
    rows, columns = np.nonzero(near)
    np.testing.assert_allclose(pixels, np.stack((columns, rows), 1) + 0.5, atol=0.05)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.floats(0, 0.35), st.floats(0, 300), st.floats(-20, 20))
def test_road_coordinates_lead_to_the_world_and_back(
        seed: int, swing: float, along: float, across: float) -> None:
    road = Road(np.random.default_rng(seed), -30, 350, swing)
    x, y = road.point(along, across)
    found, aside, _ = road.locate(np.array([x], np.float32), np.array([y], np.float32))
    assert found[0] == pytest.approx(along, abs=0.1)
    assert aside[0] == pytest.approx(across, abs=0.1)


def test_clipping_keeps_what_lies_before_the_camera() -> None:
    square = np.array(((-1, 0, -1), (1, 0, -1), (1, 0, 3), (-1, 0, 3)), np.float32)
    cut = clip_near(square)
    assert len(cut) == 4
    assert cut[:, 2].min() == pytest.approx(NEAR)
    assert len(clip_near(square - (0, 0, 10))) == 0


@pytest.mark.parametrize('maker', [make_car, make_van, make_lorry, make_bus])
def test_a_vehicle_is_labelled_where_its_box_projects(
        maker: Callable[[np.random.Generator], Mesh]) -> None:
    rng = np.random.default_rng(7)
    mesh = maker(rng)
    camera = Camera(320, 240, 260, 2, -3, 1.4, 0.05, 0.03, 0.01, 0)
    painter = Painter(camera, make_light(rng), 0)
    painter.labels[:] = CAMVID.classes.index('road')
    place, heading = (3.5, 14.0), 0.4
    draw_vehicle(painter, mesh, place, heading)
    half, long, high = mesh.size[0] / 2, mesh.size[1] / 2, mesh.size[2]
    corners = [(place[0] + x * np.cos(heading) + y * np.sin(heading),
                place[1] - x * np.sin(heading) + y * np.cos(heading), z)
               for x in (-half, half) for y in (-long, long) for z in (0, high)]
    pixels = camera.to_pixels(camera.to_camera(corners))
    low, top = pixels.min(0), pixels.max(0)
    rows, columns = np.nonzero(painter.labels == CAR)
    assert columns.min() >= low[0] - 2 and columns.max() <= top[0] + 2
    assert rows.min() >= low[1] - 2 and rows.max() <= top[1] + 2
    assert len(rows) > 0.4 * np.prod(np.minimum(top, (320, 240)) - np.maximum(low, 0))


@pytest.mark.parametrize('seed', range(4))
def test_ground_labels_stay_with_the_ground_while_the_camera_moves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout = make_layout(rng, 0.0, 240.0)
    road = Road(rng, -40, 400, 0.2)
    plan = paint_ground(rng, layout, -20, 260)
    ground = Ground(rng, road, plan, np.zeros_like(plan.material), layout.kerb)
    light = make_light(rng)
    edge = layout.edge(1)
    for start in (0.0, 1.3, 20.0):
        x, y = road.point(start, 1.0)
        camera = Camera(320, 240, 260, x, y, 1.4, road.heading(start), 0.05, 0.02, 1 / 3000)
        painter = Painter(camera, light, 0)
        ground.draw(painter, 0.1)
        for across, height, is_road in ((edge - 0.25, 0.0, True),
                                        (edge + 0.35, layout.kerb, False)):
            clear = [along for along in np.arange(start + 5, start + 25, 0.7)
                     if not layout.near_junction(along, 10)]
            world = [(*road.point(along, across), height) for along in clear]
            if not world:
                continue
            pixels = camera.to_pixels(camera.to_camera(world)).astype(int)
            inside = ((pixels >= 0) & (pixels < (320, 240))).all(1)
            found = painter.labels[pixels[inside, 1], pixels[inside, 0]]
            assert ((found == ROAD) == is_road).all()
