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
"""Which topics of a recording are played, and why others are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_bags import BEGIN_NS
from recorded_bags import IMAGES
from recorded_bags import numbered
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_types_from_msg
from rosbags.typesys import get_typestore
from sensor_msgs.msg import Image
from std_msgs.msg import String

from frm_perception.media.bag_reader import Recording
from frm_perception.ros.replay.outlets import choose

NEW = 'string data\nuint8 more\n'
"""What no `std_msgs/String` has ever been."""


@pytest.fixture(scope='module')
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return a bag with an image, texts of two definitions, and what nobody has installed."""
    bag = tmp_path_factory.mktemp('bags') / 'bag'
    jazzy = get_typestore(Stores.ROS2_JAZZY)
    other = get_typestore(Stores.EMPTY)
    other.register(get_types_from_msg('uint8 level\n', 'fuel_msgs/msg/Level'))
    _, recorded_ns, image = numbered(1)[0]
    text = jazzy.types['std_msgs/msg/String'](data='a')
    level = other.types['fuel_msgs/msg/Level'](level=3)
    with Writer(bag, version=9) as writer:
        for topic, store, message in (
                (IMAGES, jazzy, image), ('/front/segmentation/label', jazzy, image),
                ('/text', jazzy, text), ('/fuel', other, level)):
            connection = writer.add_connection(topic, message.__msgtype__, typestore=store)
            writer.write(connection, recorded_ns,
                         store.serialize_cdr(message, message.__msgtype__))
    return Recording(bag)


def test_what_is_installed_is_played_and_the_rest_is_named_with_the_reason(
        recording: Recording) -> None:
    choice = choose(recording, (), {IMAGES: '/other/image'})
    assert choice.kinds == {IMAGES: Image, '/text': String}
    assert choice.names == {IMAGES: '/other/image', '/text': '/text'}
    assert set(choice.left_out) == {'/front/segmentation/label', '/fuel'}
    assert 'fuel_msgs/msg/Level is not one of' in choice.left_out['/fuel']
    assert choice.left_out['/front/segmentation/label'] == 'a segmenter published it'


def test_what_is_asked_for_is_played_alone_even_what_a_segmenter_published(
        recording: Recording) -> None:
    choice = choose(recording, ['/front/segmentation/label'], {})
    assert choice.kinds == {'/front/segmentation/label': Image} and choice.left_out == {}


@pytest.mark.parametrize(('topics', 'names', 'complaint'), [
    (['/fuel'], {}, '/fuel cannot be played: its type fuel_msgs'),
    (['/nothing'], {}, "does not have '/nothing'"),
    ([], {IMAGES: '/a b'}, "'/a b' is no name of a topic in ROS"),
])
def test_what_is_asked_for_and_cannot_be_played_is_an_error(
        recording: Recording, topics: list[str], names: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        choose(recording, topics, names)


def test_a_type_that_was_defined_differently_is_not_played(tmp_path: Path) -> None:
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(NEW, 'std_msgs/msg/String'))
    message = store.types['std_msgs/msg/String'](data='a', more=1)
    with Writer(tmp_path / 'bag', version=9) as writer:
        connection = writer.add_connection('/text', message.__msgtype__, typestore=store)
        writer.write(connection, BEGIN_NS, store.serialize_cdr(message, message.__msgtype__))
    choice = choose(Recording(tmp_path / 'bag'), (), {})
    assert 'was defined differently' in choice.left_out['/text']
