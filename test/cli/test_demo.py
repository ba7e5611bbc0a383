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
"""Options of `frm demo` that are refused before anything starts."""

import pytest

from frm_perception.cli.main import main


@pytest.mark.parametrize('rate', ['0', '0.5', '1001', 'nan', 'fast'])
def test_a_rate_that_makes_no_video_is_refused(
        rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['demo', '--rate', rate])
    assert caught.value.code == 2
    assert repr(rate) in capsys.readouterr().err


@pytest.mark.parametrize('source', [[], ['--video', 'a.mp4']])
def test_only_bags_have_topics(source: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['demo', *source, '--topic', '/front/image_raw']) == 2
    assert '--topic needs a --bag' in capsys.readouterr().err
