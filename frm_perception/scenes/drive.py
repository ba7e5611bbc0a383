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
"""A drive along a road, rendered with exact labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import stream
from frm_perception.scenes.camera import Camera
from frm_perception.scenes.effects import add_weather
from frm_perception.scenes.ground import FAR
from frm_perception.scenes.ground import Ground
from frm_perception.scenes.ground_map import paint_ground
from frm_perception.scenes.items import in_view
from frm_perception.scenes.layout import make_layout
from frm_perception.scenes.light import make_light
from frm_perception.scenes.painter import Painter
from frm_perception.scenes.road import Road
from frm_perception.scenes.sensor import Sensor
from frm_perception.scenes.shadows import ShadowMap
from frm_perception.scenes.sky import Sky
from frm_perception.scenes.world import World

_BEHIND = 15.0
_LONGEST = 180.0
_MIN_SIDE, _MAX_SIDE = 32, 4096


@dataclass(frozen=True)
class Scene:
    """
    One frame.

    :param image: (H, W, 3) uint8 RGB.
    :param labels: (H, W) uint8, ids of :data:`frm_perception.labels.CAMVID`; every pixel has one.
    """

    image: ByteArray
    labels: ByteArray


class RenderedDrive:
    """
    A sequence of frames seen from a vehicle; any frame can be asked for at any time.

    What is seen (road, houses, traffic, weather, camera) follows from the seed alone; a frame
    follows from seed and index, noise included. Frames may be asked for from several threads.

    :param seed: at least 0.
    :param height: rows, 32 to 4096.
    :param width: columns, 32 to 4096.
    :param frames: at least 1.
    :param rate: frames per second. The drive may last 180 seconds: its ground is held in
        memory, about 0.1 MB a metre.
    :raises ValueError: an argument out of its range.
    """

    def __init__(self, seed: int = 0, height: int = 540, width: int = 960, frames: int = 150,
                 rate: float = 10.0) -> None:
        if not (_MIN_SIDE <= height <= _MAX_SIDE and _MIN_SIDE <= width <= _MAX_SIDE):
            raise ValueError(f'cannot render {height}x{width} (height x width): '
                             f'each side must be {_MIN_SIDE} to {_MAX_SIDE} pixels')
        if seed < 0:
            raise ValueError(f'seed is {seed}; it must be 0 or more')
        if frames < 1 or not rate > 0:
            raise ValueError(f'{frames} frames at {rate} per second: both must be positive')
        if frames / rate > _LONGEST:
            raise ValueError(f'{frames} frames at {rate} per second last {frames / rate:.0f} s; '
                             f'a drive must be at most {_LONGEST:.0f} s: ask for fewer frames')
        self._seed, self._height, self._width = seed, height, width
        self._frames, self._rate = frames, rate
        self._light = make_light(stream(seed, 'weather'))
        self._layout = make_layout(stream(seed, 'road layout'), frames / rate, FAR)
        end = self._layout.speed * frames / rate + FAR
        rng = stream(seed, 'road')
        swing = float(rng.uniform(0, 0.35))
        self._road = Road(rng, -_BEHIND - 20, end + 150, swing)
        plan = paint_ground(stream(seed, 'ground'), self._layout, -_BEHIND, end)
        world = World(seed, self._road, self._layout, self._light, -_BEHIND, end - 20,
                      frames / rate)
        self._items = world.items()
        shadows = ShadowMap(self._road, self._light, plan).paint(
            stream(seed, 'shadows'), world.buildings, world.trees, world.furniture)
        self._ground = Ground(stream(seed, 'grain'), self._road, plan, shadows,
                              self._layout.kerb)
        self._sky = Sky(stream(seed, 'sky'), self._light,
                        self._layout.kind in ('urban', 'suburban'))
        self._sensor = Sensor(stream(seed, 'sensor'), self._light, height, width)
        rng = stream(seed, 'camera')
        self._focal = width / 2 / np.tan(float(rng.uniform(0.44, 0.68)))
        self._eye = float(rng.uniform(1.2, 1.75))
        self._tilt = float(rng.uniform(-0.06, 0.09))
        self._bend = float(rng.uniform(-1, 1)) / 2500
        self._phases = rng.uniform(0, 2 * np.pi, 8)

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int) -> Scene:
        """
        Render a frame.

        :param index: 0 to ``len(self) - 1``, or negative to count from the end.
        :raises IndexError: no such frame.
        """
        if not -self._frames <= index < self._frames:
            raise IndexError(f'frame {index} of a drive of {self._frames} frames')
        index %= self._frames
        time = index / self._rate
        painter = Painter(self.camera(time), self._light, time)
        self._sky.draw(painter)
        self._ground.draw(painter, self._layout.speed / 80)
        along = self._layout.speed * time
        items = in_view(self._items, painter.camera, time, along)
        for item in items:
            item.shade(painter)
        for item in items:
            item.draw(painter)
        rng = stream(self._seed, 'noise', index)
        add_weather(painter, rng)
        image = self._sensor.expose(painter.image, rng)
        return Scene(image, painter.labels)

    def camera(self, time: float) -> Camera:
        """Return where the camera is and looks at a time in seconds."""
        wave = np.sin(self._phases + time * np.array((1.1, 0.7, 7.3, 5.1, 0.5, 2.9, 8.9, 3.3)))
        lane = self._layout.lanes()[0]
        along = self._layout.speed * time
        x, y = self._road.point(along, lane.across + 0.25 * float(wave[4]))
        heading = self._road.heading(along + 3) + 0.006 * float(wave[1])
        return Camera(
            width=self._width, height=self._height, focal=float(self._focal), x=x, y=y,
            eye=self._eye + 0.012 * float(wave[2]), heading=heading,
            pitch=self._tilt + 0.003 * float(wave[3]) + 0.002 * float(wave[6]),
            roll=0.006 * float(wave[5]) + 0.003 * float(wave[7]), bend=self._bend)
