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
With this folder on PYTHONPATH, ONNX Runtime offers a TensorRT that has built no engine yet.

It has a version and a GPU, so that its engines have keys; nothing can be run on it.
"""

import onnxruntime

from frm_perception.runtime.engines import tensorrt

onnxruntime.get_available_providers = lambda: ['TensorrtExecutionProvider', 'CPUExecutionProvider']
tensorrt.gpu_properties = lambda: {'name': 'stand-in'}
tensorrt.tensorrt_version = lambda runtime: '101300'
