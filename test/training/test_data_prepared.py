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
"""Rendered and unlabelled images are prepared once, and completed after an interruption."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.labels import CAMVID  # noqa: E402
from frm_perception.labels import CITYSCAPES  # noqa: E402
from frm_perception.labels import IGNORE  # noqa: E402
from frm_perception.media.labelled_images import LabelledImage  # noqa: E402
from frm_perception.media.video import VideoWriter  # noqa: E402
from frm_perception.training.config import FolderData  # noqa: E402
from frm_perception.training.config import RenderedData  # noqa: E402
from frm_perception.training.config import TrainingConfig  # noqa: E402
from frm_perception.training.config import UnlabelledData  # noqa: E402
from frm_perception.training.data import DataError  # noqa: E402
from frm_perception.training.data import collect  # noqa: E402
from frm_perception.training.data import prepared  # noqa: E402
from frm_perception.training.data.prepared import rendered_images  # noqa: E402
from frm_perception.training.data.prepared import unlabelled_images  # noqa: E402

DRIVES = RenderedData(drives=2, frames=2, height=96, width=128, first_seed=5)
ROAD = CAMVID.classes.index('road')
TREE = CAMVID.classes.index('tree')


def _config(space, *sources, held_out=()):
    return TrainingConfig('any', space.name, sources, held_out=held_out)


def _times(items):
    return [item.labels.stat().st_mtime_ns for item in items]


def test_rendered_drives_are_rendered_once_and_completed_after_an_interruption(tmp_path):
    first = rendered_images(DRIVES, tmp_path)
    times = _times(first)
    first[3].labels.unlink()
    second = rendered_images(DRIVES, tmp_path)
    assert second == first
    assert _times(second)[:3] == times[:3]
    image, labels = second[3].read()
    assert image.shape == (96, 128, 3)
    assert labels.max() < len(CAMVID.classes)


def test_a_cache_is_found_again_whatever_the_weight(tmp_path):
    for weight in (1.0, 2.0):
        item = rendered_images(RenderedData(1, 1, 96, 128, weight=weight), tmp_path)[0]
        # The names stay as they are: caches are kept between versions.
        assert item == LabelledImage(*(
            tmp_path / 'rendered-4f8cc7f4ac49' / name
            for name in ('images/1000_000.jpg', 'labels/1000_000.png')))


def test_rendered_labels_lead_to_the_run_of_another_label_space(tmp_path):
    sources, targets = collect(_config(CITYSCAPES, DRIVES), CITYSCAPES, tmp_path)
    assert len(sources[0].images) == 4
    assert targets[sources[0].table[ROAD]] == (CITYSCAPES.classes.index('road'),)
    assert len(targets[sources[0].table[TREE]]) == 2


def test_nothing_to_render_is_refused(tmp_path):
    with pytest.raises(DataError, match='0 drives'):
        collect(_config(CAMVID, RenderedData(0, 2, 96, 128)), CAMVID, tmp_path)


class SkyAndRoad:
    """In place of the Cityscapes teacher: the upper half is sky, the lower road."""

    def label(self, image):
        labels = np.zeros(image.shape[:2], np.uint8)
        labels[len(labels) // 2:] = ROAD
        return labels


class LowerQuarterIsRoad:
    """In place of the road teacher."""

    def road(self, image):
        probability = np.zeros(image.shape[:2], np.float32)
        probability[len(probability) * 3 // 4:] = 1
        return probability


@pytest.fixture
def loaded(monkeypatch):
    """Put teachers in place that need no files; the names of those that were loaded."""
    names = []

    def load(teacher):
        def loading(file):
            names.append(file.name)
            return teacher()
        return loading

    monkeypatch.setattr(prepared, 'CityscapesTeacher', load(SkyAndRoad))
    monkeypatch.setattr(prepared, 'RoadTeacher', load(LowerQuarterIsRoad))
    return names


@pytest.fixture
def footage(tmp_path):
    folder = tmp_path / 'footage'
    folder.mkdir()
    for index in range(4):
        cv2.imwrite(str(folder / f'{index}.png'),
                    np.full((32, 48, 3), 40 * index + 20, np.uint8))
    for name in ('deeplab.tflite', 'road.xml'):
        (tmp_path / name).write_bytes(b'')
    return UnlabelledData(str(folder), str(tmp_path / 'deeplab.tflite'),
                          str(tmp_path / 'road.xml'))


def test_frames_are_labelled_where_the_teachers_agree(footage, loaded, tmp_path):
    items = unlabelled_images(footage, tmp_path / 'cache')
    assert len(items) == 4
    for index, item in enumerate(items):
        image, labels = item.read()
        assert abs(int(image.mean()) - (40 * index + 20)) <= 1
        assert (labels[:16] == 0).all() and (labels[24:] == ROAD).all()
        assert (labels[16:24] == IGNORE).all()


def test_frames_are_labelled_once_and_the_teachers_not_loaded_again(
        footage, loaded, tmp_path, monkeypatch):
    first = unlabelled_images(footage, tmp_path / 'cache')
    times = _times(first)
    assert loaded == ['deeplab.tflite', 'road.xml']
    monkeypatch.setattr(prepared, 'read_frames', None)  # nothing is decoded either
    assert unlabelled_images(footage, tmp_path / 'cache') == first
    assert loaded == ['deeplab.tflite', 'road.xml']
    assert _times(first) == times


def test_labelling_goes_on_where_it_stopped(footage, loaded, tmp_path, monkeypatch):
    label = prepared.agreed_labels
    labelled = []

    def stop_at_the_third(image, *teachers):
        labelled.append(int(image.mean()))
        if len(labelled) == 3:
            raise KeyboardInterrupt
        return label(image, *teachers)

    monkeypatch.setattr(prepared, 'agreed_labels', stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        unlabelled_images(footage, tmp_path / 'cache')
    assert len(unlabelled_images(footage, tmp_path / 'cache')) == 4
    assert labelled == [20, 60, 100, 100, 140]
    assert not list((tmp_path / 'cache').rglob('*.partial*'))


def test_labels_of_an_earlier_version_are_taken_as_they_are(footage, loaded, tmp_path):
    first = unlabelled_images(footage, tmp_path / 'cache')
    (first[0].image.parents[1] / 'labelled.json').unlink()
    loaded.clear()
    assert unlabelled_images(footage, tmp_path / 'cache') == first
    assert not loaded


def test_footage_that_has_changed_is_refused(footage, loaded, tmp_path):
    items = unlabelled_images(footage, tmp_path / 'cache')
    (Path(footage.path) / '4.png').write_bytes((Path(footage.path) / '0.png').read_bytes())
    with pytest.raises(DataError, match=f'has changed .* delete {items[0].image.parents[1]}'):
        unlabelled_images(footage, tmp_path / 'cache')


def test_footage_that_changes_between_two_parts_of_labelling_it_is_refused(
        footage, loaded, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(prepared, 'agreed_labels', None)
        with pytest.raises(TypeError):
            unlabelled_images(footage, tmp_path / 'cache')
    (Path(footage.path) / '0.png').unlink()
    with pytest.raises(DataError, match='has changed'):
        unlabelled_images(footage, tmp_path / 'cache')


def test_what_lies_in_the_cache_is_checked_like_all_other_files(footage, loaded, tmp_path):
    config = _config(CAMVID, DRIVES, footage)
    sources, _ = collect(config, CAMVID, tmp_path / 'cache')
    sources[0].images[1].image.write_bytes(b'nothing')
    cv2.imwrite(str(sources[1].images[2].labels), np.full((32, 48), 40, np.uint8))
    with pytest.raises(DataError, match='unreadable: 1, wrong ids: 1') as error:
        collect(config, CAMVID, tmp_path / 'cache')
    assert str(sources[0].images[1].image) in str(error.value)
    assert str(sources[1].images[2].labels) in str(error.value)


def test_a_video_is_labelled_frame_by_frame(footage, loaded, tmp_path):
    file = tmp_path / 'drive.webm'
    with VideoWriter(file, 10.0) as video:
        for index in range(3):
            video.write(np.full((64, 64, 3), 60 * index + 30, np.uint8))
    data = UnlabelledData(str(file), footage.cityscapes_teacher, footage.road_teacher)
    sources, targets = collect(_config(CITYSCAPES, data), CITYSCAPES, tmp_path / 'cache')
    assert [item.image.name for item in sources[0].images] == [
        '000000.jpg', '000001.jpg', '000002.jpg']
    assert targets[sources[0].table[ROAD]] == (CITYSCAPES.classes.index('road'),)


def test_footage_that_is_held_out_is_not_trained_on(footage, loaded, tmp_path):
    (tmp_path / 'labels').mkdir()
    for index in range(4):
        cv2.imwrite(str(tmp_path / f'labels/{index}.png'), np.zeros((32, 48), np.uint8))
    held_out = FolderData(footage.path, str(tmp_path / 'labels'))
    with pytest.raises(DataError, match='trained on and held out: 4'):
        collect(_config(CAMVID, footage, held_out=(held_out,)), CAMVID, tmp_path / 'cache')


def test_an_unreadable_frame_is_named_before_any_is_labelled(footage, loaded, tmp_path):
    (Path(footage.path) / '2.png').write_bytes(b'nothing')
    with pytest.raises(DataError, match=r'unreadable: 1.*\n.*footage/2\.png'):
        collect(_config(CAMVID, footage), CAMVID, tmp_path / 'cache')
    assert not list((tmp_path / 'cache').rglob('*.jpg'))


def _change(data: UnlabelledData, **changes: str) -> UnlabelledData:
    return UnlabelledData(**{'path': data.path, 'cityscapes_teacher': data.cityscapes_teacher,
                             'road_teacher': data.road_teacher} | changes)


@pytest.mark.parametrize('key', ['path', 'cityscapes_teacher', 'road_teacher'])
def test_a_file_that_is_not_there_is_named_before_anything_is_prepared(
        footage, loaded, tmp_path, key):
    data = _change(footage, **{key: str(tmp_path / 'nowhere')})
    with pytest.raises(DataError, match='nowhere: there is no such file'):
        collect(_config(CAMVID, DRIVES, data), CAMVID, tmp_path / 'cache')
    assert not list((tmp_path / 'cache').rglob('*.jpg'))


def test_a_file_that_is_no_teacher_is_named(footage, tmp_path):
    pytest.importorskip('ai_edge_litert', reason='teachers need ai-edge-litert')
    with pytest.raises(DataError, match=r'deeplab\.tflite: cityscapes_teacher is no such network'):
        collect(_config(CAMVID, footage), CAMVID, tmp_path / 'cache')


def test_a_network_that_is_no_road_teacher_is_named(footage, tmp_path, monkeypatch):
    openvino = pytest.importorskip('openvino', reason='teachers need openvino')
    from openvino import opset13 as ops
    image = ops.parameter([1, 3, 8, 8], np.float32)
    model = openvino.Model([ops.relu(image)], [image])
    openvino.save_model(model, tmp_path / 'road.xml')
    monkeypatch.setattr(prepared, 'CityscapesTeacher', lambda file: SkyAndRoad())
    with pytest.raises(DataError, match=r'road\.xml: road_teacher .* not 4 maps of the size'):
        collect(_config(CAMVID, footage), CAMVID, tmp_path / 'cache')


def test_a_teacher_whose_package_is_missing_is_named(footage, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', None)
    with pytest.raises(DataError, match=r'deeplab\.tflite: .* cannot be loaded: .*ai_edge_litert'):
        collect(_config(CAMVID, footage), CAMVID, tmp_path / 'cache')
