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
"""What is printed and kept beside measured figures."""

from frm_perception.evaluation.record import markdown_table


def test_columns_of_a_table_are_as_wide_as_their_widest_cell() -> None:
    assert markdown_table([('name', 'ms'), ('a', '1234'), ('longer', '5')]) == (
        '| name   | ms   |\n'
        '| ------ | ---- |\n'
        '| a      | 1234 |\n'
        '| longer | 5    |')
