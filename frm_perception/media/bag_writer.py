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
Bags of ROS 2 with images, camera_info and true labels, written without ROS.

For a camera `/front`: `/front/image_raw` (rgb8) or `/front/image_raw/compressed`,
`/front/camera_info`, `/front/ground_truth/label` (mono8 class ids, 255 = unlabelled) and, latched,
`/front/ground_truth/legend`. docs/bags.md describes them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.interfaces import Qos
from rosbags.interfaces import QosDurability
from rosbags.interfaces import QosHistory
from rosbags.interfaces import QosLiveliness
from rosbags.interfaces import QosReliability
from rosbags.interfaces import QosTime
from rosbags.rosbag2 import CompressionFormat
from rosbags.rosbag2 import CompressionMode
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.typesys import Stores
from rosbags.typesys import get_typestore

from frm_perception.labels import LabelSpace
from frm_perception.media.bag_reader import COMPRESSED_IMAGE
from frm_perception.media.bag_reader import IMAGE
from frm_perception.media.bag_reader import LABEL
from frm_perception.media.bag_reader import LEGEND
from frm_perception.media.bag_storage import BAG_SUFFIXES
from frm_perception.media.bag_storage import is_bag
from frm_perception.media.bag_storage import storage_kind
from frm_perception.media.camera_model import CameraModel
from frm_perception.media.files import MediaError
from frm_perception.media.files import replacing_folder
from frm_perception.media.legend import legend_text

STORAGES = ('sqlite3', 'mcap')
COMPRESSIONS = ('jpeg', 'png')

_CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
_STRING = 'std_msgs/msg/String'

# In version 9 the QoS profiles have a form that Humble cannot read; Jazzy reads both.
_VERSION: Literal[8] = 8
_JPEG_QUALITY = 95
_NAME = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_FOREVER = QosTime(9223372036, 854775807)


def _qos(depth: int, durability: QosDurability) -> Qos:
    return Qos(QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, durability, _FOREVER,
               _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER, False)


# Who subscribes best effort gets from reliable publishers, too, but not the other way round.
_STREAM = _qos(5, QosDurability.VOLATILE)
_LATCHED = _qos(1, QosDurability.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class CameraTopics:
    """
    What a camera of a bag is to have.

    :param name: before the names of its topics, with or without a slash at the beginning.
    :param compression: '' for raw images, or one of :data:`COMPRESSIONS`.
    :param model: for camera_info; None for a camera that nothing is known of.
    :param space: what its labels mean; None for a camera without labels.
    """

    name: str = 'camera'
    compression: str = ''
    model: CameraModel | None = None
    space: LabelSpace | None = None


class BagWriter:
    """
    A bag that is being written; :func:`writing_bag` makes one.

    Every message is recorded at its stamp.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._connections: dict[str, Connection] = {}

    def write(self, camera: CameraTopics, stamp_ns: int, image: NDArray[np.uint8],
              labels: NDArray[np.uint8] | None = None) -> None:
        """
        Write what belongs to an image.

        :param stamp_ns: nanoseconds; not less than that of the image before.
        :param image: (H, W, 3) uint8 RGB.
        :param labels: (H, W) uint8 class ids of the camera's label space, 255 where there is none.
        :raises MediaError: the name is none that ROS allows, or the camera's model is of another
            size.
        """
        if not _NAME.fullmatch(camera.name):
            raise MediaError(f'{camera.name!r} cannot be the name of a camera: letters, digits, _ '
                             f'and / between them, such as front or sensors/front')
        name = f'/{camera.name.removeprefix("/")}'
        header = self._header(stamp_ns, name)
        self._write(*self._image(name, header, camera.compression, image), stamp_ns)
        if camera.model is not None:
            if (camera.model.height, camera.model.width) != image.shape[:2]:
                raise MediaError(
                    f'the camera_info is of images of {camera.model.width}x{camera.model.height} '
                    f'pixels, but the images have {image.shape[1]}x{image.shape[0]}')
            self._write(f'{name}/camera_info', self._camera_info(header, camera.model), stamp_ns)
        if camera.space is not None and f'{name}{LEGEND}' not in self._connections:
            legend = self._message(_STRING, data=legend_text(camera.space))
            self._write(f'{name}{LEGEND}', legend, stamp_ns, _LATCHED)
        if labels is not None:
            self._write(f'{name}{LABEL}', self._raw(header, 'mono8', labels), stamp_ns)

    def _image(self, name: str, header: Any, compression: str, image: NDArray[np.uint8]
               ) -> tuple[str, Any]:
        if not compression:
            return f'{name}/image_raw', self._raw(header, 'rgb8', image)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if compression == 'jpeg' else []
        done, data = cv2.imencode(f'.{compression}', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                  options)
        if not done:
            raise MediaError(f'OpenCV cannot encode {image.shape[1]}x{image.shape[0]} pixels as '
                             f'{compression}')
        # The words of compressed_image_transport.
        return f'{name}/image_raw/compressed', self._message(
            COMPRESSED_IMAGE, header=header, format=f'rgb8; {compression} compressed bgr8',
            data=data.ravel())

    def _raw(self, header: Any, encoding: str, pixels: NDArray[np.uint8]) -> Any:
        height, width = pixels.shape[:2]
        return self._message(
            IMAGE, header=header, height=height, width=width, encoding=encoding, is_bigendian=0,
            step=pixels.size // height, data=np.ascontiguousarray(pixels).ravel())

    def _camera_info(self, header: Any, model: CameraModel) -> Any:
        region = self._message('sensor_msgs/msg/RegionOfInterest', x_offset=0, y_offset=0,
                               height=0, width=0, do_rectify=False)
        return self._message(
            _CAMERA_INFO, header=header, height=model.height, width=model.width,
            distortion_model=model.distortion, d=np.array(model.d), k=np.array(model.k),
            r=np.array(model.r), p=np.array(model.p), binning_x=0, binning_y=0, roi=region)

    def _header(self, stamp_ns: int, name: str) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        stamp = self._message('builtin_interfaces/msg/Time', sec=seconds, nanosec=nanoseconds)
        # REP 103: z ahead, x to the right.
        return self._message('std_msgs/msg/Header', stamp=stamp,
                             frame_id=f'{name[1:]}_optical_frame')

    def _message(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _write(self, topic: str, message: Any, stamp_ns: int, qos: Qos = _STREAM) -> None:
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._store, offered_qos_profiles=[qos])
        self._writer.write(self._connections[topic], stamp_ns,
                           self._store.serialize_cdr(message, kind))


@contextmanager
def writing_bag(bag: Path, storage: str, overwrite: bool = False) -> Iterator[BagWriter]:
    """
    Give a bag to write to, which is there at the end of the block or, after an error, not at all.

    :param bag: its folder.
    :param storage: one of :data:`STORAGES`.
    :param overwrite: replace a bag that is there.
    :raises MediaError: something is there already.
    """
    if storage_kind(bag) in BAG_SUFFIXES:
        raise MediaError(f'a bag is a folder: call it {bag.with_suffix("")} rather than {bag}')
    if bag.exists():
        if not is_bag(bag):
            raise MediaError(f'{bag} is there already, and is no bag: choose another name')
        if not overwrite:
            raise MediaError(f'{bag} is there already: choose another name, or --overwrite it')
    with replacing_folder(bag) as folder:
        writer = Writer(folder, version=_VERSION, storage_plugin=StoragePlugin[storage.upper()])
        if storage == 'mcap':
            # Within the file, which every reader of MCAP undoes by itself.
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            with writer:
                yield BagWriter(writer)
        except sqlite3.Error as error:
            raise MediaError(f'cannot write {bag}: {error}') from error
