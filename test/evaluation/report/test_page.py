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
"""The report of a run: what a person sees of it, in a real browser where there is one."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from browser import Page
from browser import find_browser
from synthetic_run import SyntheticRun

from frm_perception.evaluation.drive.compare import compare
from frm_perception.evaluation.drive.run_folder import RunFolder
from frm_perception.evaluation.report.comparison_content import comparison_content
from frm_perception.evaluation.report.page import html
from frm_perception.evaluation.report.write import write_reports
from frm_perception.labels import CITYSCAPES

RUN = SyntheticRun(frames=60, cameras=('/front/image_raw', '/rear/image_raw'),
               alarmed=range(20, 26), damage=['chunk 3 is cut off'], space=CITYSCAPES)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\'{{ 7 * 7 }}'
SECTIONS = ('drive', 'classes', 'confusion', 'worst', 'latency', 'cameras', 'segments',
            'configuration')


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run with two cameras, labels, alarms and damage."""
    return written(RUN, tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a running browser."""
    program = find_browser()
    if program is None:
        pytest.skip('there is no Chromium on this machine')
    with Browser(program, tmp_path_factory.mktemp('profile')) as running:
        yield running


def written(run: SyntheticRun, folder: Path, baseline: SyntheticRun | None = None) -> Path:
    """Write a run and its report, and return the report."""
    other = None if baseline is None else baseline.write(folder / 'baseline')
    write_reports(run.write(folder / 'run'), other)
    return folder / 'run' / 'report.html'


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return page.evaluate('document.documentElement.scrollWidth'
                         ' - document.documentElement.clientWidth')


class Reader(HTMLParser):
    """Collects what must be right in any page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize('width', [360, 768, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, report: Path, width: int) -> None:
    page = browser.open(report, width=width)
    assert overflow(page) == 0
    assert page.evaluate('document.body.innerText.length') > 2000


def test_the_browser_complains_of_nothing_and_asks_nobody(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    page.picture()
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith('data:')] == [
        report.resolve().as_uri()]


def test_every_section_shows_something(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    whole = page.picture()
    for section in SECTIONS:
        left, top, right, bottom = page.evaluate(
            f'(() => {{ const box = document.getElementById("{section}").getBoundingClientRect();'
            ' return [box.left, box.top, box.right, box.bottom].map(Math.round) })()')
        part = whole[top + 2:bottom, left:right]
        assert part.shape[0] > 60, section
        assert part.std() > 5, section


def test_light_and_dark_differ_by_the_system_and_by_the_switch(browser: Browser, report: Path
                                                               ) -> None:
    light, dark = browser.open(report), browser.open(report, dark=True)
    assert light.picture()[5, 5].min() > 230
    assert dark.picture()[5, 5].max() < 50

    light.evaluate('document.getElementById("appearance-dark").click()')
    dark.evaluate('document.getElementById("appearance-light").click()')

    assert light.picture()[5, 5].max() < 50
    assert dark.picture()[5, 5].min() > 230


def test_text_stands_out_from_its_ground_in_light_and_dark(browser: Browser, report: Path) -> None:
    for dark in (False, True):
        page = browser.open(report, dark=dark)
        ground = luminance(color(page, 'body', 'background-color'))
        for what in ('body', '.soft', '.findings .wrong strong', 'thead th', '.line'):
            kind = 'stroke' if what == '.line' else 'color'
            ink = luminance(color(page, what, kind))
            contrast = (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05)
            assert contrast >= 4.5, (what, dark)


def test_a_frame_is_read_by_mouse_and_keyboard(browser: Browser, report: Path) -> None:
    page = browser.open(report)
    page.evaluate('document.querySelector(".panel svg").focus()')
    page.press('Home')
    page.press('ArrowRight')
    assert page.evaluate('document.activeElement.getAttribute("aria-valuetext")').startswith(
        'time 0:00.1, frame 1, mean IoU ')

    x, y = page.evaluate(
        '(() => { const box = document.querySelector(".panel svg").getBoundingClientRect();'
        ' return [box.right - 12, box.top + 100] })()')
    page.point(x, y)
    cells = page.evaluate('[...document.querySelectorAll(".panel .readout")[0]'
                          '.querySelectorAll("dd")].map(cell => cell.textContent)')
    assert cells[:2] == ['0:05.9', '59']
    assert page.complaints == []


def test_all_but_reading_frames_works_without_script(browser: Browser, report: Path) -> None:
    with_script, without = browser.open(report), browser.open(report, script=False)
    assert without.picture().std() > 5
    assert abs(with_script.picture().shape[0] - without.picture().shape[0]) < 400


def test_it_prints_on_pages_in_light_colours(browser: Browser, report: Path) -> None:
    printed = browser.open(report, dark=True).pdf()
    assert printed.startswith(b'%PDF')
    assert 3 <= len(re.findall(rb'/Type\s*/Page\b', printed)) <= 12


def test_names_from_bags_are_text_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    run = replace(RUN, bags=('x<b>',), cameras=(HOSTILE,), damage=[HOSTILE])
    page = browser.open(written(run, tmp_path))
    assert page.complaints == []
    assert page.evaluate('document.querySelectorAll("b, img[src=x]").length') == 0
    assert HOSTILE in page.evaluate('document.querySelector(".findings").textContent')
    assert HOSTILE in page.evaluate('document.querySelector(".panel h3").textContent')


@pytest.mark.parametrize('run', [
    replace(RUN, labelled=False, confident=False, alarmed=(), damage=()),
    replace(RUN, frames=0, alarmed=(), complete=False),
    replace(RUN, frames=1, alarmed=(0,)),
    replace(RUN, frames=2, overlays=0, complete=False),
    replace(RUN, bags=tuple(f'drive {number}' for number in range(8)),
            cameras=tuple(f'/camera_{number}/image_raw' for number in range(6)), frames=5)])
def test_odd_runs_are_shown_as_well(browser: Browser, tmp_path: Path, run: SyntheticRun) -> None:
    page = browser.open(written(run, tmp_path), width=360)
    assert page.complaints == []
    assert overflow(page) == 0
    assert page.picture().std() > 5


def test_a_page_is_allowed_nothing_but_itself(report: Path) -> None:
    text = report.read_text(encoding='utf-8')
    reader = Reader(text)
    policies = [values['content'] for tag, values in reader.tags
                if values.get('http-equiv') == 'Content-Security-Policy']
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'; img-src data:; ")
    assert 'unsafe' not in str(policies[0])
    assert not re.search(r'https?:|url\(|@import', text)
    for _, values in reader.tags:
        assert 'style' not in values and not any(name.startswith('on') for name in values)


def test_a_reader_that_sees_nothing_is_told_all(report: Path) -> None:
    tags = Reader(report.read_text(encoding='utf-8')).tags
    assert [values['lang'] for tag, values in tags if tag == 'html'] == ['en']
    assert all(values.get('alt') for tag, values in tags if tag == 'img')
    for tag, values in tags:
        if tag == 'svg':
            assert values.get('aria-label') or values.get('aria-hidden') == 'true'
        if tag == 'th':
            assert values.get('scope')


def test_hostile_names_are_escaped_without_a_browser(tmp_path: Path) -> None:
    run = replace(RUN, cameras=(HOSTILE,), damage=[HOSTILE])
    text = written(run, tmp_path).read_text(encoding='utf-8')
    assert '<script>alert' not in text and '<img src=x' not in text and '{{ 7' in text
    short = (tmp_path / 'run' / 'report.md').read_text(encoding='utf-8')
    assert '<script>' not in short.replace('\\<', '')


def test_a_long_drive_of_many_cameras_stays_small(tmp_path: Path) -> None:
    run = replace(RUN, cameras=tuple(f'/camera_{number}' for number in range(40)), frames=700,
                  labelled=False, alarmed=range(50))
    report = written(run, tmp_path)
    assert report.stat().st_size < 16 * 2**20
    text = report.read_text(encoding='utf-8')
    assert text.count('class="panel"') == 24 and '16 more are not shown' in text


def test_an_older_report_stays_where_the_records_are_damaged(report: Path, tmp_path: Path) -> None:
    page = written(RUN, tmp_path)
    before = page.read_bytes()
    run = RunFolder(tmp_path / 'run')
    run.records_file('drive', '/rear/image_raw').write_text('{}\n')
    with pytest.raises(ValueError, match='line 1 is damaged'):
        write_reports(run)
    assert page.read_bytes() == before


def test_the_pictures_are_found_wherever_the_command_runs(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = written(RUN, tmp_path).read_text(encoding='utf-8')
    assert expected.count('data:image/jpeg') == 2 * 9 + 3
    monkeypatch.chdir(tmp_path)
    write_reports(RunFolder(Path('run')))
    assert (tmp_path / 'run' / 'report.html').read_text(encoding='utf-8') == expected


def test_the_comparison_with_a_baseline_is_part_of_it(tmp_path: Path) -> None:
    page = written(RUN, tmp_path, replace(RUN, right=0.7, seed=1))
    assert 'Against the baseline' in page.read_text(encoding='utf-8')
    assert '### Against the baseline' in page.with_suffix('.md').read_text(encoding='utf-8')


def test_a_comparison_shows_the_same_frames_of_both_runs(browser: Browser, tmp_path: Path) -> None:
    run = replace(RUN, cameras=(HOSTILE,), bags=('a<b>',))
    a, b = run.write(tmp_path / 'a'), replace(run, right=0.7, seed=1).write(tmp_path / 'b')
    comparison = compare(a, b, segment_s=0.5)
    shown = comparison_content(a, b, comparison, {'--fail-below mean_iou=0.9': 'it is below'})
    file = tmp_path / 'comparison.html'
    file.write_text(html('comparison.html', shown), encoding='utf-8')
    for width in (360, 1280):
        page = browser.open(file, width)
        assert page.complaints == [] and overflow(page) == 0
    assert page.evaluate('document.querySelector(".wrong").textContent').startswith('Not met.')
    captions = page.evaluate('[...document.querySelectorAll("figcaption")]'
                             '.map(caption => caption.textContent)')
    assert len(captions) == 10
    for first, second in zip(captions[::2], captions[1::2]):
        assert (first[:2], second[:2]) == ('A ', 'B ') and first[2:] == second[2:]
        assert HOSTILE in first
    assert page.evaluate('document.querySelectorAll("b, img[src=x]").length') == 0


def color(page: Page, what: str, kind: str) -> np.ndarray:
    """Return the colour of an element as (3,) values from 0 to 1."""
    text = page.evaluate(f'getComputedStyle(document.querySelector("{what}"))'
                         f'.getPropertyValue("{kind}")')
    return np.array([float(part) for part in re.findall(r'[\d.]+', text)[:3]]) / 255


def luminance(rgb: np.ndarray) -> float:
    """Return the relative luminance that WCAG 2 defines."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
