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
"""``frm train``, as a user starts it."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip('torch', reason='training needs torch: requirements/train.txt')

from frm_perception.cli.main import main  # noqa: E402
from frm_perception.scenes import RenderedDrive  # noqa: E402

COMMAND = Path(sys.executable).with_name('frm')
CONFIG = """
network: frm-light-mobilenetv2
label_space: camvid
sources: [{kind: folder, images: images, labels: labels}]
iterations: 2
batch: 2
augmentation: {height: 64, width: 64}
evaluate_every: 2
"""


@pytest.mark.skipif(not COMMAND.exists(), reason=f'{COMMAND} was not made by the Makefile')
def test_the_command_trains_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    drive = RenderedDrive(3, 96, 128, 2)
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
    for index in range(2):
        cv2.imwrite(str(tmp_path / 'images' / f'A_{index}.png'), drive[index].image[..., ::-1])
        cv2.imwrite(str(tmp_path / 'labels' / f'A_{index}.png'), drive[index].labels)
    (tmp_path / 'config.yaml').write_text(CONFIG)
    # Its workers are processes that import what started them, which is this very script.
    done = subprocess.run([str(COMMAND), 'train', 'config.yaml'], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'runs' / 'config' / 'checkpoint.pt').exists()


@pytest.mark.parametrize(('arguments', 'said'), [
    (['-o', '/proc/nowhere'], "'/proc/nowhere'"),
    (['--cache', 'config.yaml/cache'], 'config.yaml/cache'),
    (['--processes', '-1'], "'-1' is not 1 or more")])
def test_what_cannot_be_is_refused_in_a_line(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        arguments: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config.yaml').write_text(CONFIG)
    try:
        status = main(['train', 'config.yaml', *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
