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
`sensor_msgs/CameraInfo` of an image, made to fit a scaled copy of that image or of a part of it.

K and P are scaled as `image_proc::ResizeNode` of image_pipeline does it: fx and cx by the ratio of
the widths, fy and cy by that of the heights. That is exact for coordinates in which pixel `i`
covers `[i, i + 1)`. Where a calibration puts 0 at the centre of the first pixel, as OpenCV's does,
the principal point comes out `(1 - ratio) / 2` pixels of the copy too far up and left, which is
less than half a pixel of a smaller copy.
"""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from frm_perception.runtime.geometry import View


class CameraInfoMismatch(ValueError):
    """A camera info that is not of the image it came with; the text has both sizes."""


def camera_info_for(
        info: CameraInfo, header: Header, image: tuple[int, int], view: View,
        copy: tuple[int, int]
) -> CameraInfo:
    """
    Return the camera info of a scaled copy of a view of an image; sizes are (height, width).

    For a copy of the whole image in its own size only the header is changed. Else a camera info
    may be of images of the whole sensor, whose region of interest is then scaled (and cut to the
    view and to whole pixels) and whose binning stays; or of images of a region or of binned
    pixels, as its definition has it. Then region and binning become part of K and P, and their
    fields are empty. The distortion model works on coordinates that have no pixels: it and R never
    change.

    :param info: what the camera says of the image.
    :param header: that of the image.
    :param image: size of the image.
    :param view: the part of the image that the copy shows.
    :param copy: size of the scaled copy.
    :raises CameraInfoMismatch: the info is of images of another size.
    """
    roi = info.roi
    left, top, binning_x, binning_y = 0, 0, 1, 1
    if image != (info.height, info.width):
        binning_x, binning_y = info.binning_x or 1, info.binning_y or 1
        height, width = info.height, info.width
        if roi.height and roi.width:
            left, top, height, width = roi.x_offset, roi.y_offset, roi.height, roi.width
        if image != (height // binning_y, width // binning_x):
            raise CameraInfoMismatch(
                f'it is of images of {width // binning_x}x{height // binning_y} pixels, but the '
                f'image has {image[1]}x{image[0]}')
    result = CameraInfo(
        header=header, height=info.height, width=info.width,
        distortion_model=info.distortion_model, d=info.d, k=info.k, r=info.r, p=info.p,
        binning_x=info.binning_x, binning_y=info.binning_y, roi=roi)
    if copy == image and view == View.whole(image):
        return result
    result.height, result.width = copy
    left, top = left + view.left * binning_x, top + view.top * binning_y
    x, y = copy[1] / (view.width * binning_x), copy[0] / (view.height * binning_y)
    scaling = np.array([[x, 0, -x * left], [0, y, -y * top], [0, 0, 1]])
    result.k = (scaling @ np.reshape(info.k, (3, 3))).ravel()
    result.p = (scaling @ np.reshape(info.p, (3, 4))).ravel()
    if image == (info.height, info.width):
        result.roi = _scaled_region(roi, view, copy)
    else:
        result.binning_x = result.binning_y = 0
        result.roi = RegionOfInterest()
    return result


def _scaled_region(roi: RegionOfInterest, view: View, copy: tuple[int, int]) -> RegionOfInterest:
    """Return what a view shows of a region; empty, as if there were none, where it is nothing."""
    x, width = _scaled_span(roi.x_offset, roi.width, view.left, view.width, copy[1])
    y, height = _scaled_span(roi.y_offset, roi.height, view.top, view.height, copy[0])
    if not (width and height):
        return RegionOfInterest(do_rectify=roi.do_rectify)
    return RegionOfInterest(
        x_offset=x, y_offset=y, width=width, height=height, do_rectify=roi.do_rectify)


def _scaled_span(offset: int, size: int, start: int, length: int, copy: int) -> tuple[int, int]:
    """Return offset and size on one axis, where ``copy`` pixels show ``length`` from a start."""
    first = max(offset - start, 0)
    size = min(offset + size - start, length) - first
    return first * copy // length, max(size, 0) * copy // length
