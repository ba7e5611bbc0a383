#!/bin/sh
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
#
# Installs the bundle that it lies in, without internet: ./install.sh --help.

set -eu

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

here=$(dirname "$(readlink -f "$0")")
[ -f "$here/manifest.json" ] || fail "$here is no bundle: it has no manifest.json." \
  'On a computer with internet "make vehicle-bundle" makes one; unpack it and run the' \
  'install.sh in it.'
wanted=$(sed -n 's/^  "python": "\([0-9.]*\)",*$/\1/p' "$here/manifest.json")
[ -n "$wanted" ] || fail "$here/manifest.json is damaged: unpack the bundle again."

# That of the system first, which ROS is made for: a conda or a virtual environment may be active.
for python in ${PYTHON:+"$PYTHON"} "/usr/bin/python$wanted" "python$wanted" python3; do
  found=$("$python" -B -c 'import sys; print("%d.%d" % sys.version_info[:2], end=" ")
print(getattr(sys, "_base_executable", sys.executable))' 2>/dev/null) || continue
  if [ "${found%% *}" = "$wanted" ]; then
    exec "${found#* }" -B -s "$here/vehicle" "$@"
  fi
done
fail "this bundle is for Python $wanted, and there is none here${PYTHON:+ (PYTHON=$PYTHON is not)}." \
  "Ubuntu 22.04 (JetPack 6) has Python 3.10, Ubuntu 24.04 (JetPack 7) 3.12: make the bundle with" \
  "the PYTHON of this computer, or name one by PYTHON=/path/to/python$wanted ./install.sh"
