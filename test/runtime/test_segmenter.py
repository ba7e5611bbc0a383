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
"""A camera image in, its labels and its drivable area out: the whole way."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_bundle import TINY
from tiny_bundle import manifest
from tiny_bundle import tiny_model
from tiny_bundle import write_bundle
from tiny_bundle import write_tiny_bundle

from frm_perception.labels import IGNORE
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError
from frm_perception.runtime.drivable import DrivableFilter
from frm_perception.runtime.drivable import DrivableRules
from frm_perception.runtime.engines import EngineError
from frm_perception.runtime.geometry import FITS
from frm_perception.runtime.pictures import PictureError
from frm_perception.runtime.pictures import read_header
from frm_perception.runtime.segmenter import Segmenter
from frm_perception.runtime.threads import thread_count

ROAD = TINY.classes.index('road')


@pytest.fixture(scope='module')
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segmenter]:
    bundle = Bundle.load(write_tiny_bundle(tmp_path_factory.mktemp('models')))
    with Segmenter.load(bundle, provider='cpu') as loaded:
        yield loaded


def paint(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the RGB image that the tiny network labels so."""
    return TINY.colors()[labels]


def blocks(height: int, width: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return labels in squares of ``side`` pixels."""
    cells = np.random.default_rng(seed).integers(0, 4, (-(-height // side), -(-width // side)))
    return cells.astype(np.uint8).repeat(side, 0).repeat(side, 1)[:height, :width]


@pytest.mark.parametrize('axis', [0, 1])
def test_labels_are_exact_to_the_pixel_where_nothing_is_scaled(
        segmenter: Segmenter, axis: int) -> None:
    labels = np.zeros((96, 160), np.uint8)
    across = np.moveaxis(labels, axis, 0)
    across[40:] = ROAD
    across[64:68] = 3
    result = segmenter.segment(paint(labels))
    assert np.array_equal(result.labels, labels)
    assert np.array_equal(result.drivable, np.where(labels == ROAD, 255, 0))
    assert result.labels.dtype == result.drivable.dtype == np.uint8


@pytest.mark.parametrize('size', [(192, 320), (540, 960), (1080, 1920), (480, 640), (640, 480)])
def test_edges_stay_where_they_are_in_the_camera_image(
        segmenter: Segmenter, size: tuple[int, int]) -> None:
    row, column = size[0] // 3, size[1] // 4
    labels = np.zeros(size, np.uint8)
    labels[row:, column:] = ROAD
    found = segmenter.segment(paint(labels)).labels
    # What the network sees is coarse: an edge is known to within one of its cells.
    cell = 4 * max(size[0] / 96, size[1] / 160)
    expected_row = np.argmax(found[:, -1] == ROAD)
    expected_column = np.argmax(found[-1] == ROAD)
    assert abs(expected_row - row) <= cell / 2 and abs(expected_column - column) <= cell / 2


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 3),
       st.sampled_from(['camera', 'network']))
def test_one_colour_is_one_class_up_to_every_edge(
        segmenter: Segmenter, height: int, width: int, label: int, output_size: str) -> None:
    image = paint(np.full((height, width), label, np.uint8))
    result = segmenter.segment(image, output_size=output_size)
    assert (result.labels == label).all()
    assert (result.drivable == (255 if label == ROAD else 0)).all()
    if output_size == 'camera':
        assert result.labels.shape == (height, width)


def test_network_size_is_the_image_without_the_border(segmenter: Segmenter) -> None:
    result = segmenter.segment(np.zeros((100, 400, 3), np.uint8), output_size='network')
    assert result.labels.shape == result.drivable.shape == (40, 160)


def test_encodings_of_the_same_picture_get_the_same_labels(segmenter: Segmenter) -> None:
    rgb = paint(blocks(270, 480, 40))
    expected = segmenter.segment(rgb).labels
    for encoding, code in (('bgr8', cv2.COLOR_RGB2BGR), ('rgba8', cv2.COLOR_RGB2RGBA),
                           ('bgra8', cv2.COLOR_RGB2BGRA)):
        found = segmenter.segment(np.asarray(cv2.cvtColor(rgb, code)), encoding).labels
        assert np.mean(found != expected) < 0.001, encoding


def test_grey_images_are_labelled(segmenter: Segmenter) -> None:
    assert segmenter.segment(np.zeros((50, 80), np.uint8), 'mono8').labels.shape == (50, 80)


def test_rows_with_padding_are_accepted(segmenter: Segmenter) -> None:
    padded = paint(blocks(200, 340, 20))
    image = padded[:, :300]
    assert np.array_equal(segmenter.segment(image).labels,
                          segmenter.segment(image.copy()).labels)


def test_an_answer_is_not_changed_by_the_next_image(segmenter: Segmenter) -> None:
    first = segmenter.segment(paint(np.full((96, 160), ROAD, np.uint8)))
    segmenter.segment(np.zeros((96, 160, 3), np.uint8))
    assert (first.labels == ROAD).all() and (first.drivable == 255).all()


def test_the_border_of_one_size_does_not_reach_an_image_of_another(segmenter: Segmenter) -> None:
    wide, tall = (paint(np.full(size, ROAD, np.uint8)) for size in ((40, 160), (96, 60)))
    for image in (wide, tall, wide):
        assert (segmenter.segment(image).labels == ROAD).all()


@pytest.mark.parametrize(('image', 'options', 'complaint'), [
    (np.zeros((9, 9, 3), np.float32), {}, r'uint8 array .*this is float32 \(9, 9, 3\)'),
    (np.zeros((9, 9), np.uint8), {}, r'\(height, width, 3\)'),
    (np.zeros((0, 9, 3), np.uint8), {}, 'not empty'),
    (np.zeros((9, 9, 3), np.uint8), {'encoding': 'jpeg'}, "unknown encoding 'jpeg'; known are"),
    (np.zeros((9, 9, 3), np.uint8), {'output_size': 'big'}, 'choose from camera, network'),
])
def test_what_is_no_image_is_refused(segmenter: Segmenter, image: NDArray[Any],
                                     options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        segmenter.segment(image, **options)


def test_info_tells_what_is_really_used(tiny_bundle: Path) -> None:
    with Segmenter.load(Bundle.load(tiny_bundle), resolution='64x128', provider='cpu',
                        threads=1) as segmenter:
        info = segmenter.info
        assert segmenter.label_space == TINY
    assert (info.bundle, info.network, info.backbone) == ('tiny', 'tiny', 'none')
    assert (info.resolution, info.precision, info.threads) == ((64, 128), 'fp32', 1)
    assert (info.provider_asked, info.provider, info.fallback) == ('cpu', 'cpu', None)
    assert info.precision_run == 'fp32'


def with_bf16(models: Path) -> Bundle:
    """Return a bundle whose fp32 model may be computed in bf16."""
    model = tiny_model()
    content = manifest(model)
    content['precisions']['bf16'] = deepcopy(content['precisions']['fp32'])
    return Bundle.load(write_bundle(models, content, model))


def test_bf16_is_computed_by_openvino_of_the_model_in_fp32(tmp_path: Path) -> None:
    bundle = with_bf16(tmp_path)
    image = paint(blocks(96, 160, 20))
    with Segmenter.load(bundle) as full, Segmenter.load(bundle, precision='bf16') as rounded:
        info = rounded.info
        assert (info.precision, info.provider_asked, info.provider) == ('bf16', 'auto', 'openvino')
        # A processor that has no bf16 says so.
        assert (info.precision_run == 'bf16') == (info.fallback is None)
        assert np.array_equal(full.segment(image).labels, rounded.segment(image).labels)


def test_bf16_of_a_bundle_without_it_is_refused_like_any_other(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="no precision 'bf16'; it has fp32"):
        Segmenter.load(Bundle.load(tiny_bundle), precision='bf16', provider='openvino')


def test_bf16_of_onnx_runtime_is_an_error_that_names_openvino(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='OpenVINO alone computes in it'):
        Segmenter.load(with_bf16(tmp_path), precision='bf16', provider='cpu')


@pytest.mark.parametrize('provider', ['cpu', 'openvino'])
def test_a_model_that_its_manifest_describes_and_that_is_bad_is_named(
        tmp_path: Path, provider: str) -> None:
    model = onnx.load_from_string(tiny_model())
    for tensor in model.graph.initializer:
        tensor.raw_data = np.full(len(tensor.raw_data) // 4, 3e38, np.float32).tobytes()
    # Each weight is finite, and twice of it is not.
    model.graph.node[-1].output[0] = 'half'
    model.graph.node.append(onnx.helper.make_node('Add', ['half', 'half'], ['logits']))
    content = model.SerializeToString()
    folder = write_bundle(tmp_path, manifest(content), content)
    with pytest.raises(EngineError, match=f'^{folder / "fp32.onnx"}: .* not finite'):
        Segmenter.load(Bundle.load(folder), provider=provider)


def test_threads_are_those_of_opencv_too(tiny_bundle: Path) -> None:
    before = cv2.getNumThreads()
    try:
        with Segmenter.load(Bundle.load(tiny_bundle), threads=1) as segmenter:
            assert segmenter.info.threads == cv2.getNumThreads() == 1
        with Segmenter.load(Bundle.load(tiny_bundle)) as segmenter:
            assert segmenter.info.threads == cv2.getNumThreads() == thread_count(0)
    finally:
        cv2.setNumThreads(before)


def test_timings_are_given_for_every_stage(segmenter: Segmenter) -> None:
    timings = segmenter.segment(np.zeros((96, 160, 3), np.uint8)).timings
    assert list(timings) == ['prepare', 'infer', 'decide', 'drivable']
    assert all(value > 0 for value in timings.values())


def test_drivable_classes_can_be_chosen(tiny_bundle: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    image = paint(np.array([[0, 1, 2, 3]], np.uint8).repeat(40, 0).repeat(40, 1))
    with Segmenter.load(bundle, drivable_classes=['tree', 'car']) as segmenter:
        assert segmenter.segment(image).drivable[20, 20::40].tolist() == [0, 0, 255, 255]
    with pytest.raises(ValueError, match="no class 'lake'; it has sky, road, tree, car"):
        Segmenter.load(bundle, drivable_classes=['lake'])


@pytest.mark.parametrize(('edit', 'complaint'), [
    (lambda c: c['input'].update(name='picture'), 'input name is image, .* says picture'),
    (lambda c: c['output'].update(name='labels'), 'output name is logits, .* says labels'),
    (lambda c: c['output'].update(stride=8), 'output shape'),
    (lambda c: c['label_space'].update(
        classes=['road', 'rest'], palette=[[0, 0, 0], [1, 1, 1]]), 'output shape'),
])
def test_a_model_that_is_not_what_its_manifest_says_is_refused(
        tmp_path: Path, edit: Any, complaint: str) -> None:
    model = tiny_model()
    content = manifest(model)
    edit(content)
    folder = write_bundle(tmp_path, content, model)
    with pytest.raises(BundleError, match=complaint):
        Segmenter.load(Bundle.load(folder))


def test_a_closed_segmenter_says_so(tiny_bundle: Path) -> None:
    segmenter = Segmenter.load(Bundle.load(tiny_bundle))
    segmenter.close()
    with pytest.raises(EngineError, match='closed'):
        segmenter.segment(np.zeros((9, 9, 3), np.uint8))


def test_confidence_is_given_only_where_asked_for(segmenter: Segmenter) -> None:
    image = paint(blocks(90, 130, 10))
    assert segmenter.segment(image).confidence is None
    for size in ('camera', 'network'):
        result = segmenter.segment(image, output_size=size, confidence=True)
        assert result.confidence is not None
        assert result.confidence.shape == result.labels.shape
        assert list(result.timings)[-1] == 'confidence'


def test_confidence_is_least_where_colours_mix(segmenter: Segmenter) -> None:
    labels = np.zeros((96, 160), np.uint8)
    labels[:, 78:] = TINY.classes.index('car')  # opposite colours, their border within a cell
    confidence = segmenter.segment(paint(labels), confidence=True).confidence
    assert confidence is not None
    assert (confidence[:, 76:80].max(axis=1) < confidence[:, 100]).all()


@pytest.fixture(scope='module', params=FITS)
def fitting(request: pytest.FixtureRequest,
            tmp_path_factory: pytest.TempPathFactory) -> Iterator[Segmenter]:
    bundle = Bundle.load(write_tiny_bundle(tmp_path_factory.mktemp('models')))
    with Segmenter.load(bundle, provider='cpu', fit=request.param) as loaded:
        assert loaded.info.fit == request.param
        yield loaded


@given(st.integers(1, 300), st.integers(1, 300))
def test_what_the_network_saw_is_labelled_to_the_pixel_and_nothing_else(
        fitting: Segmenter, height: int, width: int) -> None:
    image = paint(np.full((height, width), ROAD, np.uint8))
    result = fitting.segment(image, confidence=True)
    assert result.confidence is not None
    seen = np.zeros((height, width), np.bool_)
    seen[result.geometry.view.slices] = True
    assert seen.all() == (result.geometry.view.size == (height, width))
    assert result.shows == (0, 0, height, width)
    for pixels, outside in ((result.labels, IGNORE), (result.drivable, 0), (result.confidence, 0)):
        assert pixels.shape == (height, width)
        assert (pixels[~seen] == outside).all()
    assert (result.labels[seen] == ROAD).all() and (result.drivable[seen] == 255).all()
    assert (result.confidence[seen] > 0).all()


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 1), st.data())
def test_edges_stay_where_they_are_in_every_fit(
        fitting: Segmenter, height: int, width: int, axis: int, data: st.DataObject) -> None:
    geometry = fitting.segment(np.zeros((height, width, 3), np.uint8)).geometry
    first, length = geometry.view[axis], geometry.view.size[axis]
    edge = data.draw(st.integers(first, first + length))
    labels = np.zeros((height, width), np.uint8)
    np.moveaxis(labels, axis, 0)[edge:] = ROAD
    found = fitting.segment(paint(labels)).labels[geometry.view.slices]
    line = np.moveaxis(found, axis, 0)[:, 0]
    # What the network sees is coarse: an edge is known to within half a cell, and a pixel of the
    # image that large ones are shrunk to by whole squares first.
    cell = 4 * length / geometry.content[axis]
    assert abs(np.count_nonzero(line != ROAD) - (edge - first)) <= cell / 2 + max(cell // 4, 1)


def test_network_size_shows_the_view(fitting: Segmenter) -> None:
    result = fitting.segment(np.zeros((100, 400, 3), np.uint8), output_size='network')
    assert result.labels.shape == result.drivable.shape == result.geometry.content
    assert result.shows == result.geometry.view


@pytest.mark.parametrize('output_size', ['camera', 'network'])
@pytest.mark.parametrize(('size', 'reduction'), [
    ((96, 160), 1), ((190, 318), 1), ((192, 320), 2), ((400, 800), 4), ((1080, 1920), 8),
    ((1080, 1921), 1), ((1082, 1922), 2)])
def test_a_jpeg_is_decoded_as_small_as_the_network_allows_and_labelled_at_its_own_size(
        segmenter: Segmenter, size: tuple[int, int], reduction: int, output_size: str) -> None:
    labels = blocks(*size, side=size[0] // 4)
    data = cv2.imencode('.jpg', cv2.cvtColor(paint(labels), cv2.COLOR_RGB2BGR))[1].tobytes()
    assert segmenter.reduction(read_header(data)) == reduction
    result = segmenter.segment_compressed(data, output_size)
    assert list(result.timings) == ['decode', 'prepare', 'infer', 'decide', 'drivable']
    assert result.geometry.image == size
    expected = segmenter.segment(paint(labels), output_size=output_size)
    assert result.labels.shape == expected.labels.shape
    assert result.geometry == expected.geometry
    # Both see edges to within a cell, and JPEG blurs colours.
    assert np.mean(result.labels != expected.labels) < 0.03


def test_every_pixel_of_a_reduced_crop_stands_for_the_same_number_of_the_camera(
        tiny_bundle: Path) -> None:
    image = np.zeros((1000, 1608, 3), np.uint8)
    data = cv2.imencode('.jpg', image)[1].tobytes()
    with Segmenter.load(Bundle.load(tiny_bundle), fit='crop') as segmenter:
        result = segmenter.segment_compressed(data)
    assert result.labels.shape == (1000, 1608)
    assert all(value % 8 == 0 for value in result.geometry.view)
    assert result.geometry.view.top + result.geometry.view.height == 1000


def test_a_png_is_decoded_as_it_is(segmenter: Segmenter) -> None:
    labels = blocks(192, 320, 40)
    data = cv2.imencode('.png', cv2.cvtColor(paint(labels), cv2.COLOR_RGB2BGR))[1].tobytes()
    assert segmenter.reduction(read_header(data)) == 1
    assert np.array_equal(segmenter.segment_compressed(data).labels,
                          segmenter.segment(paint(labels)).labels)


def test_what_is_no_picture_is_refused_before_decoding(segmenter: Segmenter) -> None:
    with pytest.raises(PictureError, match='neither JPEG nor PNG'):
        segmenter.segment_compressed(b'hello')


def test_info_says_what_computes_the_labels(segmenter: Segmenter) -> None:
    assert segmenter.info.kernels.startswith('numba ')
    assert segmenter.info.kernels_note is None


def test_an_unknown_fit_is_refused_by_load(tiny_bundle: Path) -> None:
    with pytest.raises(ValueError, match="unknown fit 'squash'"):
        Segmenter.load(Bundle.load(tiny_bundle), fit='squash')


def test_a_filter_makes_its_camera_s_mask_and_leaves_the_labels(segmenter: Segmenter) -> None:
    labels = np.zeros((96, 160), np.uint8)
    labels[60:, 40:120] = labels[10:18, 10:18] = ROAD
    plain = segmenter.segment(paint(labels))
    near = plain.drivable.copy()
    near[:40] = 0
    camera = DrivableFilter(DrivableRules(foot=0.1, appear_frames=2))
    for stamp_ns, expected in ((0, np.zeros_like(near)), (10**8, near), (2 * 10**8, near)):
        result = segmenter.segment(paint(labels), drivable=camera, stamp_ns=stamp_ns)
        assert np.array_equal(result.labels, plain.labels)
        assert np.array_equal(result.drivable, expected)
