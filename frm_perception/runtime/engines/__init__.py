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
What runs a model, and the proof of it.

:func:`open_engine` opens the engine of a provider; what it returns is an :class:`Engine`.
"""

from frm_perception.runtime.engines.engine import Engine
from frm_perception.runtime.engines.engine import EngineError
from frm_perception.runtime.engines.engine import EngineOptions
from frm_perception.runtime.engines.engine import ProviderError
from frm_perception.runtime.engines.engine import TensorInfo
from frm_perception.runtime.engines.opening import PROVIDERS
from frm_perception.runtime.engines.opening import check_provider
from frm_perception.runtime.engines.opening import open_engine
from frm_perception.runtime.engines.opening import why_build
from frm_perception.runtime.engines.opening import why_not

__all__ = ['PROVIDERS', 'Engine', 'EngineError', 'EngineOptions', 'ProviderError', 'TensorInfo',
           'check_provider', 'open_engine', 'why_build', 'why_not']
