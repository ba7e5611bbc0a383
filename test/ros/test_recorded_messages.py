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
"""What is written into a bag is what ROS itself reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from recorded_bags import picture
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image
from std_msgs.msg import String

from frm_perception.labels import CAMVID
from frm_perception.media.bag_reader import Recording
from frm_perception.media.bag_writer import CameraTopics
from frm_perception.media.bag_writer import writing_bag
from frm_perception.media.camera_model import CameraModel
from frm_perception.media.legend import legend_space

TYPES = {'sensor_msgs/msg/CameraInfo': CameraInfo, 'sensor_msgs/msg/Image': Image,
         'sensor_msgs/msg/CompressedImage': CompressedImage, 'std_msgs/msg/String': String}
LABELS = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64) % 11


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
@pytest.mark.parametrize('compression', ['', 'jpeg'])
def test_ros_reads_what_is_written(tmp_path: Path, storage: str, compression: str) -> None:
    camera = CameraTopics('front', compression, CameraModel.pinhole(48, 64, 50.0), CAMVID)
    with writing_bag(tmp_path / 'bag', storage) as writer:
        writer.write(camera, 3 * 10**9 + 7, picture(1), LABELS)
    recording = Recording(tmp_path / 'bag')
    found: dict[str, Any] = {
        message.topic: deserialize_message(message.data, TYPES[message.type])
        for message in recording.messages([topic.name for topic in recording.topics])}
    assert legend_space(found.pop('/front/ground_truth/legend').data) == CAMVID
    for message in found.values():
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 7)
        assert message.header.frame_id == 'front_optical_frame'
    assert list(found['/front/camera_info'].k) == [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1]
    label = found['/front/ground_truth/label']
    assert bytes(label.data) == LABELS.tobytes()
    assert (label.encoding, label.height, label.width, label.step) == ('mono8', 48, 64, 64)
    if compression:
        assert bytes(found['/front/image_raw/compressed'].data[:3]) == b'\xff\xd8\xff'
    else:
        assert bytes(found['/front/image_raw'].data) == picture(1).tobytes()
