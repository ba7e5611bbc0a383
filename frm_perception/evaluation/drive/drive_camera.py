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
"""Which topics of a bag are evaluated, and against which labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.images import decode_message
from frm_perception.labels import LabelSpace
from frm_perception.media.bag_reader import RecordedCamera
from frm_perception.media.bag_reader import Recording
from frm_perception.media.files import MediaError
from frm_perception.media.legend import legend_space

CAMERA = '{camera}'
"""What stands for a camera's name in the topic of labels."""

_PROBED = 5
"""A topic whose first so many messages hold no image of colour or grey holds none at all."""


@dataclass(frozen=True)
class Truth:
    """
    What true labels mean.

    :param comparison: what the model's ids and theirs mean to each other.
    :param known_ids: (256,) the ids that they may hold.
    :param meaning: what says so, in words.
    """

    comparison: Comparison
    known_ids: NDArray[np.bool_]
    meaning: str


@dataclass(frozen=True)
class DriveCamera:
    """
    One camera of one bag.

    :param bag: the bag's name in the run.
    :param topic: of its images.
    :param labels: topic of its true labels; '' where there are none.
    :param truth: what these mean; None where there are none.
    """

    bag: str
    topic: str
    labels: str = ''
    truth: Truth | None = None


@dataclass(frozen=True)
class Choice:
    """
    What the user asked for; as it comes, all cameras and the labels that bags name themselves.

    :param topics: image topics; none takes all that cameras published, and of a camera that is
        there both raw and compressed the raw images.
    :param labels_topic: topic of the labels, with :data:`CAMERA` for the camera's name; None
        takes '<camera>/ground_truth/label' where it is there, '' evaluates without labels.
    :param truth: what labels mean; None lets the bag's legend tell.
    """

    topics: tuple[str, ...] = ()
    labels_topic: str | None = None
    truth: Truth | None = None


def choose_cameras(recording: Recording, bag: str, choice: Choice, model: LabelSpace
                   ) -> tuple[list[DriveCamera], list[str]]:
    """
    Return the cameras of a bag that are evaluated, and why others are not, in words.

    :param bag: the bag's name in the run.
    :raises MediaError: a topic that is not there, no camera, or labels that nobody says the
        meaning of.
    :raises ValueError: labels that have no class in common with the model.
    """
    left_out: list[str] = []
    asked = _asked(recording, choice.topics, left_out)
    chosen = []
    for camera in asked:
        reason = '' if choice.topics else _no_images(recording, camera.topic)
        if reason:
            left_out.append(f'{camera.topic} is left out: {reason}')
            continue
        labels = _labels_topic(recording, camera, choice.labels_topic, len(asked))
        truth = None
        if labels:
            truth = choice.truth or _told_by_legend(recording, camera, labels, model)
        chosen.append(DriveCamera(bag, camera.topic, labels, truth))
    if not chosen:
        raise MediaError('. '.join([
            f'{recording.path} has no images that can be evaluated; its topics are: '
            f'{recording.list_topics()}', *left_out]))
    return chosen, left_out


def _asked(recording: Recording, topics: Sequence[str], left_out: list[str]
           ) -> list[RecordedCamera]:
    by_topic = {camera.topic: camera for camera in recording.cameras}
    if topics:
        unknown = [topic for topic in topics if topic not in by_topic]
        if unknown:
            raise MediaError(f'{recording.path} has no images of a camera on '
                             f'{", ".join(unknown)}; it has them on '
                             f'{", ".join(by_topic) or "no topic"}')
        return [by_topic[topic] for topic in dict.fromkeys(topics)]
    raw = {camera.images for camera in recording.cameras if not camera.compressed}
    asked = []
    for camera in recording.cameras:
        if camera.compressed and camera.images in raw:
            left_out.append(f'{camera.topic} is left out: {camera.images} has the same images '
                            f'raw; --topic chooses')
        else:
            asked.append(camera)
    return asked


def _no_images(recording: Recording, topic: str) -> str:
    """Return why the first messages of a topic are no images of colour; '' if one of them is."""
    reason = 'it has no messages that can be read'
    for message in recording.messages([topic]):
        try:
            decode_message(message, lambda _: 1)
            return ''
        except ValueError as error:
            reason = f'message {message.index}: {error}'
        if message.index + 1 >= _PROBED:
            break
    return reason


def _labels_topic(recording: Recording, camera: RecordedCamera, asked: str | None, cameras: int
                  ) -> str:
    if asked is None:
        return camera.labels
    if not asked:
        return ''
    if CAMERA not in asked and cameras > 1:
        raise MediaError(f'{recording.path} has {cameras} cameras, so the topic of the labels '
                         f'needs {CAMERA} in the place of their names; {asked!r} has none')
    return recording.topic(asked.replace(CAMERA, camera.name)).name


def _told_by_legend(recording: Recording, camera: RecordedCamera, labels: str, model: LabelSpace
                    ) -> Truth:
    texts = (str(message.fields.data) for message in recording.messages(
        [camera.legend] if camera.legend else []))
    text = next(texts, None)
    if text is None:
        raise MediaError(
            f'{recording.path} has labels on {labels}, but no legend that says what they mean: '
            f"give --label-space, or --labels-topic '' to evaluate without labels")
    try:
        space = legend_space(text)
    except ValueError as error:
        raise MediaError(f'{recording.path} {camera.legend}: {error}; --label-space says what '
                         f'labels mean instead') from error
    return Truth(Comparison.between(model, space), space.known_ids(),
                 f'legend of {space.name!r}')
