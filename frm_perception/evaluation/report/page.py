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
"""A report as one HTML file that needs nothing else, and asks nobody."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined

from frm_perception.evaluation.record import percent


def html(template: str, content: Mapping[str, Any]) -> str:
    """
    Return a page.

    All that comes from bags and options is escaped. The page's own style and script are allowed
    by their digests, and its policy allows nothing else: no other code, no request.

    :param template: report.html, for :func:`.content.content`, or comparison.html, for
        :func:`.comparison_content.comparison_content`.
    """
    environment = Environment(
        loader=PackageLoader('frm_perception.evaluation.report'), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters['percent'] = percent
    style = environment.get_template('report.css').render()
    script = environment.get_template('report.js').render()
    return environment.get_template(template).render(
        content, style=style, style_hash=_digest(style), script=script,
        script_hash=_digest(script))


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode('utf-8')).digest()
    return f'sha256-{base64.b64encode(digest).decode("ascii")}'
