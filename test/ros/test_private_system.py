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
"""A ROS system that only this computer sees, in every distribution."""

import pytest

from frm_perception.ros.private_system import private_environment


@pytest.mark.parametrize(('distribution', 'expected'), [
    ('humble', '1'), ('jazzy', None), (None, None)])
def test_discovery_stays_on_this_computer_in_the_way_the_distribution_knows(
        distribution: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_LOCALHOST_ONLY', '0')
    monkeypatch.setenv('ROS_STATIC_PEERS', '192.0.2.1')
    if distribution is None:
        monkeypatch.delenv('ROS_DISTRO', raising=False)
    else:
        monkeypatch.setenv('ROS_DISTRO', distribution)

    environment = private_environment(217)

    assert environment['ROS_DOMAIN_ID'] == '217'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert environment.get('ROS_LOCALHOST_ONLY') == expected
    assert 'ROS_STATIC_PEERS' not in environment
