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
"""The cross-section of a road, and what happens along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = ('urban', 'suburban', 'rural', 'highway')
_ODDS = (0.52, 0.23, 0.14, 0.11)


@dataclass(frozen=True)
class Lane:
    """A lane: its middle (metres across), and +1 when it leads the ego vehicle's way, else -1."""

    across: float
    direction: int


@dataclass(frozen=True)
class Junction:
    """A side street: where along the road, half its width, and the sides (-1, +1) it leads to."""

    along: float
    half: float
    sides: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """
    How a road is built; the same along the whole drive. Lengths in metres.

    :param side: +1 where traffic keeps to the right, -1 where it keeps to the left.
    :param lane: width of a lane.
    :param own: lanes that lead the ego vehicle's way.
    :param other: lanes that lead the other way.
    :param median: strip between the two directions.
    :param shoulder: paved strip (or parking bay) beyond the lanes, on each side.
    :param parking: the shoulder is a parking bay.
    :param kerb: height of the kerb; 0 where there is none.
    :param verge: grass between kerb and pavement.
    :param pavement: width of the pavement; 0 where there is none.
    :param frontage: from the carriageway's edge to houses.
    :param speed: of the ego vehicle, m/s.
    """

    kind: str
    side: int
    lane: float
    own: int
    other: int
    median: float
    shoulder: float
    parking: bool
    kerb: float
    verge: float
    pavement: float
    frontage: float
    speed: float
    junctions: tuple[Junction, ...]
    crossings: tuple[float, ...]

    def edge(self, side: int) -> float:
        """Return the distance of the carriageway's edge on a side (-1 left, +1 right)."""
        lanes = self.own if side == self.side else self.other
        return self.median / 2 + lanes * self.lane + self.shoulder

    def lanes(self) -> list[Lane]:
        """Return all lanes; the first is the ego vehicle's."""
        return [Lane(way * self.side * (self.median / 2 + (index + 0.5) * self.lane), way)
                for way, count in ((1, self.own), (-1, self.other)) for index in range(count)]

    def near_junction(self, along: float, margin: float, side: int = 0) -> bool:
        """Return whether a place is within ``margin`` of a side street (of one side or any)."""
        return any(abs(along - junction.along) < junction.half + margin
                   and (side == 0 or side in junction.sides) for junction in self.junctions)


def make_layout(rng: np.random.Generator, duration: float, sight: float) -> Layout:
    """
    Draw the road of a drive.

    :param duration: seconds that the drive lasts.
    :param sight: metres that are seen ahead; side streets and crossings are drawn as far as
        anything can come into sight.
    """
    kind = str(rng.choice(KINDS, p=_ODDS))
    side = int(rng.choice((-1, 1)))
    town = kind in ('urban', 'suburban')
    own, other = {
        'urban': ((1, 1), (1, 1), (1, 1), (2, 1), (2, 2), (2, 0), (1, 0)),
        'suburban': ((1, 1), (1, 1), (2, 2)),
        'rural': ((1, 1),),
        'highway': ((2, 2), (3, 3)),
    }[kind][rng.integers({'urban': 7, 'suburban': 3, 'rural': 1, 'highway': 2}[kind])]
    parking = bool(town and rng.random() < 0.45)
    speed = float({'urban': rng.uniform(5, 10), 'suburban': rng.uniform(7, 13),
                   'rural': rng.uniform(11, 19), 'highway': rng.uniform(20, 30)}[kind])
    pavement = float(rng.uniform(1.8, 5.5)) if town else 0.0
    verge = float(rng.uniform(0.8, 2.5)) if kind == 'suburban' and rng.random() < 0.5 else 0.0
    shoulder = {'rural': rng.uniform(0.2, 0.9), 'highway': rng.uniform(1.5, 3.0)}.get(
        kind, rng.uniform(2.0, 2.4) if parking else rng.uniform(0.2, 0.6))
    garden = {'urban': 0.0, 'suburban': rng.uniform(3, 8)}.get(kind, rng.uniform(7, 16))
    junctions, crossings = _events(rng, speed * duration + sight) if town else ((), ())
    return Layout(
        kind=kind, side=side, lane=float(rng.uniform(2.8, 3.3) if town else rng.uniform(3, 3.7)),
        own=own, other=other,
        median=float(rng.uniform(1.5, 5)) if kind == 'highway' else 0.0,
        shoulder=float(shoulder), parking=parking,
        kerb=float(rng.uniform(0.05, 0.15)) if town else 0.0, verge=verge, pavement=pavement,
        frontage=verge + pavement + float(garden), speed=speed, junctions=junctions,
        crossings=crossings)


def _events(rng: np.random.Generator, length: float
            ) -> tuple[tuple[Junction, ...], tuple[float, ...]]:
    """Draw side streets and pedestrian crossings from the start to ``length`` metres."""
    junctions: list[Junction] = []
    crossings: list[float] = []
    along = float(rng.uniform(5, 60))
    while along < length:
        if rng.random() < 0.6:
            half = float(rng.uniform(3, 5))
            sides = ((-1, 1), (-1,), (1,))[rng.integers(3)]
            junctions.append(Junction(along, half, sides))
            if rng.random() < 0.5:
                crossings.append(along - half - float(rng.uniform(5, 8)))
        else:
            crossings.append(along)
        along += float(rng.uniform(45, 110))
    return tuple(junctions), tuple(crossings)
