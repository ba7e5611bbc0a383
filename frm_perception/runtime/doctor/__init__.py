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
What of a computer, and of what is installed there, keeps the node from running well.

:func:`examine` looks at everything and returns a :class:`Finding` for each check; a check that
does not apply to a computer says so. Nothing is changed, but for files of a trial inference that
are removed again.
"""

from frm_perception.runtime.doctor.examine import Asked
from frm_perception.runtime.doctor.examine import examine
from frm_perception.runtime.doctor.finding import Finding
from frm_perception.runtime.doctor.finding import Level
from frm_perception.runtime.doctor.finding import worst

__all__ = ['Asked', 'Finding', 'Level', 'examine', 'worst']
