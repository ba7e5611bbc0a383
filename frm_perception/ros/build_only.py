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
"""`segmenter --build-only`: build the engines that the parameters ask for, and end."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import get_logger
from rclpy.node import Node

from frm_perception.ros.loading import load_segmenter
from frm_perception.ros.needed_engines import needed_engines
from frm_perception.ros.parameters import EngineParameters
from frm_perception.ros.parameters import ParameterError
from frm_perception.ros.parameters import declare_parameters
from frm_perception.ros.parameters import read_parameters
from frm_perception.ros.unknown_parameters import UnknownParameters
from frm_perception.runtime.build_ahead import build_ahead
from frm_perception.runtime.engine_cache import open_cache
from frm_perception.runtime.engines import EngineError


def build_only(name: str, from_file: bool) -> int:
    """
    Build ahead all that a node of that name would, whose parameters it takes.

    That is what they ask for, and with `deadline_ms` what it falls back on. It has no lifecycle:
    whoever manages the node's does not find this one.

    :param from_file: a file of parameters was given, which has to have some for that node.
    :return: 0 if all is in the cache (or none is needed), 1 if it is not, 2 where a parameter or
        the command line cannot be used.
    """
    try:
        node = Node(name)
    except Exception as error:  # those of rclpy, for names and types, have no common base
        get_logger(name).fatal(f'the node cannot be created: {error}')
        return 2
    logger = node.get_logger()
    try:
        declare_parameters(node)
        # rclpy has no public way to see what was given.
        if from_file and not node._parameter_overrides:
            name = node.get_fully_qualified_name()
            raise ParameterError(f'the file has no parameters for {name}, which would get the '
                                 'defaults; /** in it stands for any namespace')
        UnknownParameters(node).warn()
        asked = read_parameters(node)
        top, *fallbacks = needed_engines(asked)
        if not _is_built(top, asked.engine_cache, logger):
            return 1
        built = [_is_built(wish, asked.engine_cache, logger) for wish in fallbacks]
        return 0 if all(built) else 1
    except ParameterError as error:
        logger.fatal(str(error))
        return 2
    except (ValueError, OSError) as error:
        logger.fatal(f'no engine was built: {error}')
        return 1
    finally:
        node.destroy_node()


def _is_built(wish: EngineParameters, folder: str, logger: RcutilsLogger) -> bool:
    """Build an engine; return whether it is in the cache now, or needs none."""
    cache = open_cache(folder, logger.warning)
    if cache is None:
        return False
    try:
        return build_ahead(lambda kept: load_segmenter(wish, kept, logger), cache, logger.info)
    except (ValueError, EngineError, OSError) as error:
        logger.fatal(f'the engine was not built: {error}')
        return False
