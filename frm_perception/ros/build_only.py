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
"""`segmenter --build-only`: build the engine that the parameters ask for, and end."""

from __future__ import annotations

from rclpy.logging import get_logger
from rclpy.node import Node

from frm_perception.ros.loading import load_segmenter
from frm_perception.ros.parameters import ParameterError
from frm_perception.ros.parameters import declare_parameters
from frm_perception.ros.parameters import read_parameters
from frm_perception.runtime.build_ahead import build_ahead
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError


def build_only(name: str) -> int:
    """
    Build ahead what a node of that name would, whose parameters it takes.

    It has no lifecycle: whoever manages the node's does not find this one.

    :return: 0 if the engine is in the cache (or none is needed), 1 if it is not, 2 where a
        parameter or the command line cannot be used.
    """
    try:
        node = Node(name)
    except Exception as error:  # those of rclpy, for names and types, have no common base
        get_logger(name).fatal(f'the node cannot be created: {error}')
        return 2
    logger = node.get_logger()
    try:
        declare_parameters(node)
        asked = read_parameters(node)
        cache = open_cache(asked.engine_cache, logger.warning)
        if cache is None:
            return 1
        done = build_ahead(
            lambda kept: load_segmenter(asked.engine, kept, logger), cache, logger.info)
        return 0 if done else 1
    except ParameterError as error:
        logger.fatal(str(error))
        return 2
    except (ValueError, EngineError, OSError) as error:
        logger.fatal(f'the engine was not built: {error}')
        return 1
    finally:
        node.destroy_node()
