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
"""Records of frames, against counting by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import TINY

from frm_perception.evaluation.comparison import Comparison
from frm_perception.evaluation.drive.frame_record import FrameRecord
from frm_perception.evaluation.drive.scorer import MEMORY
from frm_perception.evaluation.drive.scorer import DriveFrame
from frm_perception.evaluation.drive.scorer import FrameLabels
from frm_perception.evaluation.drive.scorer import Scorer
from frm_perception.evaluation.drive.scorer import drivable_digest
from frm_perception.evaluation.drive.scorer import labels_digest
from frm_perception.labels import CAMVID

SKY, ROAD, TREE, CAR = range(4)
NONE = 255
GREY = np.zeros((64, 96), np.uint8)
SAME = Comparison.between(TINY, TINY)


def frame(index: int = 0, truth: NDArray[np.uint8] | None = None,
          grey: NDArray[np.uint8] = GREY) -> DriveFrame:
    return DriveFrame(index, 10**8 * index, 10**8 * index + 5, grey, truth)


def found(labels: NDArray[np.uint8], **more: NDArray[np.uint8]) -> FrameLabels:
    drivable = np.where(labels == ROAD, 255, 0).astype(np.uint8)
    return FrameLabels(labels, drivable, {'infer': 1.5}, **more)


def scorer(comparison: Comparison | None = None, second: Comparison | None = None) -> Scorer:
    return Scorer('drive', '/front/image_raw', TINY.classes, comparison, second)


def test_a_frame_without_labels_has_all_that_needs_none() -> None:
    labels = np.array([[SKY, SKY, TREE, NONE], [ROAD, ROAD, ROAD, CAR]], np.uint8)
    confidence = np.array([[255, 51], [0, 0]], np.uint8)

    record = scorer().score(frame(3), found(labels, confidence=confidence))

    assert record == FrameRecord(
        bag='drive', camera='/front/image_raw', index=3, stamp_ns=3 * 10**8,
        recorded_ns=3 * 10**8 + 5, height=2, width=4, labels_digest=labels_digest(labels),
        drivable_digest=drivable_digest(np.where(labels == ROAD, 255, 0).astype(np.uint8)),
        class_pixels=(2, 3, 1, 1), drivable_share=3 / 8, confidence=pytest.approx(0.6),
        confusion=None, drivable_confusion=None, stability=None, agreement=None, alarms=(),
        milliseconds={'infer': 1.5})


def test_labels_are_counted_against_the_truth() -> None:
    truth = np.array([[SKY, SKY, TREE, ROAD], [ROAD, ROAD, NONE, CAR]], np.uint8)
    labels = np.array([[SKY, SKY, TREE, NONE], [ROAD, SKY, ROAD, ROAD]], np.uint8)

    record = scorer(SAME).score(frame(truth=truth), found(labels))

    assert record.confusion == (
        (2, 0, 0, 0, 0), (1, 1, 0, 0, 1), (0, 0, 1, 0, 0), (0, 1, 0, 0, 0))
    assert record.drivable_confusion == ((1, 1, 1), (1, 3, 0))
    assert record.class_pixels == (3, 3, 1, 0)


def test_it_is_the_mask_that_is_compared_with_the_drivable_truth() -> None:
    truth = np.full((2, 2), ROAD, np.uint8)
    mask = np.array([[255, 0], [0, 0]], np.uint8)

    record = scorer(SAME).score(frame(truth=truth), replace(found(truth), drivable=mask))

    assert record.drivable_confusion == ((1, 3, 0), (0, 0, 0))


def test_labels_that_only_tell_what_is_drivable_have_no_classes() -> None:
    comparison = Comparison.drivable_only(TINY, [7], [9])
    truth = np.array([[7, 7], [0, 9]], np.uint8)
    labels = np.array([[ROAD, SKY], [ROAD, ROAD]], np.uint8)

    record = scorer(comparison).score(frame(truth=truth), found(labels))

    assert record.confusion is None
    assert record.drivable_confusion == ((1, 1, 0), (1, 0, 0))


def test_agreement_is_the_share_of_pixels_that_both_models_label_alike() -> None:
    labels = np.array([[SKY, ROAD, ROAD, NONE]], np.uint8)
    second = np.array([[SKY, ROAD, SKY, SKY]], np.uint8)

    assert scorer(second=SAME).score(frame(), found(labels, second=second)).agreement == 2 / 3


def test_a_second_model_with_other_classes_is_compared_by_name() -> None:
    labels = np.array([[SKY, ROAD, CAR]], np.uint8)
    second = np.array([[CAMVID.classes.index(name) for name in ('sky', 'road', 'pole')]], np.uint8)
    comparison = Comparison.between(TINY, CAMVID)

    agreement = scorer(second=comparison).score(frame(), found(labels, second=second)).agreement

    assert agreement == 1  # CamVid's pole is nothing that the other could have found


def test_one_class_and_frozen_images_raise_alarms() -> None:
    score = scorer().score
    road = np.full((4, 4), ROAD, np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (7, 64, 96), dtype=np.uint8)

    same = [score(frame(index), found(road)).alarms for index in range(6)]
    moving = [score(frame(index + 6, grey=grey), found(road)).alarms
              for index, grey in enumerate(noise)]

    assert same == [('one_class',)] * 4 + [('one_class', 'frozen')] * 2
    assert moving == [('one_class',)] * 7


def test_nothing_labelled_is_one_class_too_and_two_are_not() -> None:
    nothing = np.full((2, 2), NONE, np.uint8)
    two = np.array([[SKY, TREE]], np.uint8)
    cropped = np.array([[NONE, SKY]], np.uint8)

    alarms = [scorer().score(frame(), found(labels)).alarms for labels in (nothing, two, cropped)]

    assert alarms == [('one_class',), (), ('one_class',)]


@given(st.integers(0, 2**32 - 1), st.integers(MEMORY, 12))
def test_a_record_depends_on_few_frames_before_it(seed: int, begin: int) -> None:
    random = np.random.default_rng(seed)
    images = random.integers(0, 255, (2, 64, 96), dtype=np.uint8)
    frames = [(frame(index, grey=images[int(random.random() < 0.1)]),
               found(random.integers(0, 4, (6, 8), dtype=np.uint8))) for index in range(13)]
    whole, part = scorer(), scorer()

    every = [whole.score(*item) for item in frames]
    assert any(record.stability is not None for record in every)
    some = [part.score(*item) for item in frames[begin - MEMORY:]]

    assert some[MEMORY:] == every[begin:]


def test_truth_of_another_size_or_without_a_meaning_is_refused() -> None:
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match='cannot be compared'):
        scorer(SAME).score(frame(truth=np.zeros((2, 3), np.uint8)), found(labels))
    with pytest.raises(ValueError, match='not what they mean'):
        scorer().score(frame(truth=labels), found(labels))


def test_digests_are_those_of_size_and_pixels() -> None:
    labels = np.array([[1, 2, 3, 0]], np.uint8)

    # XXH3 of b'(1, 4)\1\2\3\0' and b'(1, 3)\xa0': the digests of two releases can be compared.
    assert labels_digest(labels) == 'bfac468c5c4a120e1d3b16fefe67cf3f'
    assert drivable_digest(np.array([[255, 0, 255]], np.uint8)) == (
        'ebc76a28da3bfbd7f033eac050dfb496')
    assert labels_digest(labels) != labels_digest(labels.reshape(2, 2))
    assert drivable_digest(labels) != drivable_digest(labels.reshape(2, 2))
