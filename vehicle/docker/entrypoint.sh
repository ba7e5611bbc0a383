#!/bin/bash
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
# Entry point of both images: sources ROS, adds the package beside this file, and becomes the
# command that follows, so that signals reach it.

fail() {
  printf 'entrypoint.sh: %s\n' "$*" >&2
  exit 1
}

prefix=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ros_setup=${ROS_SETUP:-/opt/ros/${ROS_DISTRO:-}/setup.bash}
[ $# -gt 0 ] || fail 'say what is to be run, such as: frm doctor'
[ -f "$ros_setup" ] || fail "there is no ROS: $ros_setup is not there (ROS_SETUP names another one)"
[ -x "$prefix/venv/bin/python" ] || fail "there is no environment in $prefix/venv"

# shellcheck source=/dev/null  # which ROS it is, is a matter of the image
source "$ros_setup"
packages=$("$prefix/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') ||
  fail "the Python in $prefix/venv does not run"
export PATH=$prefix/venv/bin:$PATH
export AMENT_PREFIX_PATH=$prefix/venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}
# `ros2 launch` runs in the Python of the system, which does not look into the environment.
export PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH}
# Images get shared memory, unless the site has a profile of its own: docs/transport.md.
export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$prefix/venv/share/frm_perception/config/fastdds_shm.xml}

exec "$@"
