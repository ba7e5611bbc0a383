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
"""Time of day and weather: what lights the scene, and the air it is seen through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from frm_perception.scenes.basics import ByteArray
from frm_perception.scenes.basics import Color
from frm_perception.scenes.basics import vary

WEATHERS = ('clear', 'scattered clouds', 'overcast', 'low sun', 'dusk', 'rain', 'fog', 'night')
_ODDS = (0.24, 0.2, 0.2, 0.1, 0.07, 0.09, 0.06, 0.04)


@dataclass(frozen=True)
class Light:
    """
    Sun, sky and air of one drive.

    :param weather: one of :data:`WEATHERS`.
    :param sun: unit vector towards the sun in world axes.
    :param sun_share: RGB factor of direct light on a face turned to the sun.
    :param sky_share: RGB factor of light from the sky.
    :param haze: colour of the air.
    :param density: extinction, 1/metres.
    :param wetness: 0 dry to 1 wet.
    :param zenith: colour of the sky overhead.
    :param cover: share of the sky that clouds hide, 0..1.
    :param lamps: vehicles and street lamps have their lights on.
    """

    weather: str
    sun: NDArray[np.float64]
    sun_share: NDArray[np.float64]
    sky_share: NDArray[np.float64]
    haze: Color
    density: float
    wetness: float
    zenith: Color
    cover: float
    lamps: bool

    @property
    def night(self) -> bool:
        """Whether lamps are the main light."""
        return self.weather == 'night'

    def clarity(self, distance: float) -> float:
        """Return the share of an object's light that arrives from a distance in metres."""
        return float(np.exp(-self.density * max(distance, 0)))

    def on_face(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the RGB factor of light on faces with (..., 3) unit normals."""
        direct = np.maximum(normal @ self.sun, 0)[..., None]
        open_sky = (0.75 + 0.25 * normal[..., 2])[..., None]
        return direct * self.sun_share + open_sky * self.sky_share

    def at_night(self, distance: float) -> float:
        """Return the factor of the ego vehicle's headlamps on an object, 1 when not dark."""
        return 1.0 + 3.5 / (1 + (distance / 16) ** 2) if self.night else 1.0

    def table(self, factor: NDArray[np.float64], distance: float) -> ByteArray:
        """Return a (256, 1, 3) uint8 table: surface colour to the colour seen from afar."""
        clarity = self.clarity(distance)
        lit = np.arange(256)[:, None] * factor * self.at_night(distance)
        seen = np.minimum(lit, 255) * clarity + np.asarray(self.haze) * (1 - clarity)
        return seen.astype(np.uint8).reshape(256, 1, 3)

    def seen(self, colors: ArrayLike, factor: NDArray[np.float64] | float, distance: float
             ) -> NDArray[np.float64]:
        """Return the (..., 3) colours in which lit surfaces are seen from a distance in metres."""
        clarity = self.clarity(distance)
        lit = np.asarray(colors, np.float64) * factor * self.at_night(distance)
        seen: NDArray[np.float64] = np.minimum(lit, 255) * clarity + (
            np.asarray(self.haze) * (1 - clarity))
        return seen


def make_light(rng: np.random.Generator) -> Light:
    """Draw the weather of a drive."""
    weather = str(rng.choice(WEATHERS, p=_ODDS))
    height = {'low sun': rng.uniform(0.1, 0.3), 'dusk': rng.uniform(0.03, 0.12)}.get(
        weather, rng.uniform(0.35, 1.1))
    around = rng.uniform(-np.pi, np.pi)
    sun = np.array((np.sin(around) * np.cos(height), np.cos(around) * np.cos(height),
                    np.sin(height)))
    direct, sky, tint, haze, zenith, density, cover = {
        'clear': (0.75, 0.42, (1.04, 1.0, 0.92), (206, 222, 238), (84, 138, 208), 0.0012, 0.1),
        'scattered clouds': (0.62, 0.48, (1.02, 1.0, 0.95), (214, 224, 234), (98, 146, 206),
                             0.0016, 0.55),
        'overcast': (0.06, 0.82, (1, 1, 1), (222, 224, 226), (176, 184, 192), 0.003, 1.0),
        'low sun': (0.85, 0.34, (1.12, 0.96, 0.74), (246, 222, 186), (112, 150, 200), 0.0022,
                    0.3),
        'dusk': (0.2, 0.36, (1.15, 0.9, 0.75), (206, 150, 128), (66, 78, 118), 0.003, 0.5),
        'rain': (0.02, 0.6, (0.97, 1, 1.03), (176, 182, 188), (132, 140, 150), 0.006, 1.0),
        'fog': (0.03, 0.8, (1, 1, 1), (208, 210, 212), (206, 208, 210), 0.018, 1.0),
        'night': (0.0, 0.13, (0.95, 0.95, 1.1), (26, 28, 40), (10, 12, 24), 0.006, 0.6),
    }[weather]
    dim = rng.uniform(0.8, 1.1)
    pale = float(rng.uniform(0, 0.75)) if weather in WEATHERS[:4] else 0.0
    paled = (1 - pale) * np.asarray(zenith) + pale * np.asarray(haze)
    sky_tint = np.array((0.94, 1.0, 1.08)) if weather in WEATHERS[:2] else np.ones(3)
    return Light(
        weather=weather, sun=sun, sun_share=direct * dim * np.asarray(tint),
        sky_share=sky * dim * sky_tint, haze=vary(rng, haze, 10),
        density=density * rng.uniform(0.6, 1.4),
        wetness=float(rng.uniform(0.5, 1)) if weather == 'rain' else
        float(rng.choice((0.0, 0.4), p=(0.85, 0.15))),
        zenith=vary(rng, (paled[0], paled[1], paled[2]), 14), cover=cover,
        lamps=weather in ('dusk', 'rain', 'fog', 'night'))
