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
"""Where the package finds its own files."""

from pathlib import Path

import pytest

from frm_perception.runtime import share
from frm_perception.runtime.share import share_folder


def test_a_sourced_workspace_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'share' / 'frm_perception' / 'only_here'
    folder.mkdir(parents=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    assert share_folder('only_here') == folder


def test_a_checkout_comes_before_an_installation(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / 'install' / 'share' / 'frm_perception' / 'config'
    checkout = tmp_path / 'checkout'
    for folder in (installed, checkout / 'config'):
        folder.mkdir(parents=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path / 'install'))
    monkeypatch.setattr(share, '__file__', str(checkout / 'frm_perception/runtime/share.py'))
    # Without a package.xml it may be anybody's folder that happens to have that name.
    assert share_folder('config') == installed
    (checkout / 'package.xml').touch()
    assert share_folder('config') == checkout / 'config'


def test_a_missing_folder_names_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/first:/second')
    with pytest.raises(FileNotFoundError) as caught:
        share_folder('treasure')
    for place in ('/first/share/frm_perception/treasure', '/second/share/frm_perception/treasure'):
        assert place in str(caught.value)
