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
What can go wrong around a node, one fault after another, and whether its books stay right.

Images are sent so that the middleware loses none. So of each fault every image that was sent is
one that the node received, or one that nobody was there for, which the program knows; and every
one received is answered, or counted under the reason why not. The faults are in `fault_cases.py`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from odd_bundles import write_fragile_bundle
from tqdm import tqdm

from benchmarks.fault_cases import CASES
from benchmarks.fault_cases import Stage
from benchmarks.program import Demand
from benchmarks.program import conclude
from benchmarks.program import option_parser
from benchmarks.system import COUNTS
from benchmarks.system import private_system
from frm_perception.cli.arguments import count
from frm_perception.evaluation.record import markdown_table

MOST_GROWTH_MIB = 10.0


def measure(names: Sequence[str], cycles: int) -> tuple[dict[str, Any], list[Demand]]:
    """
    Let faults happen.

    :param names: of :data:`~benchmarks.fault_cases.CASES`.
    :param cycles: of configure and cleanup.
    :return: what :func:`table` prints, and what :func:`demands` makes of it.
    """
    with tempfile.TemporaryDirectory(prefix='frm-faults-') as models, \
            private_system(processes=2) as probe:
        write_fragile_bundle(Path(models))
        stage = Stage(probe, Path(models), cycles)
        faults = []
        with tqdm(names, unit='fault') as progress:
            for name in progress:
                progress.set_description(name)
                faults.append({'name': name, **CASES[name](stage)})
    results = {'cycles': cycles, 'faults': faults}
    return results, demands(results)


def demands(results: dict[str, Any]) -> list[Demand]:
    """Return what has to hold of each fault, and whether it does."""
    found = []
    for fault in results['faults']:
        name, counts = fault['name'], fault['counts']
        decided = sum(counts.values()) - counts['received']
        found += [
            Demand(f'{name}: {what}', text, holds) for what, text, holds in (
                ('what was sent was received, or nobody was there',
                 f'{fault["sent"]} sent, {counts["received"]} received, {fault["unseen"]} unseen',
                 fault['sent'] == counts['received'] + fault['unseen']),
                ('what was received is accounted for',
                 f'{counts["received"]} received, {decided} counted',
                 counts['received'] == decided and not counts['in_flight']),
                ('what was answered was heard',
                 f'{counts["answered"]} answered, {fault["heard"]} heard, by a listener who was '
                 f'away for {fault["away"]}',
                 0 <= counts['answered'] - fault['heard'] <= fault['away']),
                (f'reported is {fault["reported"]}', 'yes' if fault['was_reported'] else 'no',
                 fault['was_reported']))]
        if 'growth_mib' in fault:
            found.append(Demand(
                f'{name}: memory grows by less than {MOST_GROWTH_MIB:g} MiB',
                f'{fault["growth_mib"]:+.1f} MiB', fault['growth_mib'] < MOST_GROWTH_MIB))
    return found


def table(results: dict[str, Any]) -> str:
    """Return what became of the images of each fault, as a Markdown table."""
    lost = [name for name in COUNTS if name not in ('received', 'answered', 'in_flight')]
    return markdown_table([
        ['fault', 'sent', 'nobody there', 'received', 'answered', *lost, 'reported'],
        *([fault['name'], str(fault['sent']), str(fault['unseen']),
           *(str(fault['counts'][name]) for name in ('received', 'answered', *lost)),
           fault['reported'] if fault['was_reported'] else 'NO'] for fault in results['faults'])])


def main(arguments: Sequence[str]) -> int:
    """Run the program; return the exit status."""
    parser = option_parser('faults', __doc__)
    parser.add_argument('--cycles', type=count, default=50, metavar='N',
                        help='of configure and cleanup (default: %(default)s)')
    parser.add_argument('--only', nargs='+', choices=CASES, default=list(CASES), metavar='FAULT',
                        help=f'some of {", ".join(CASES)}')
    args = parser.parse_args(arguments)
    return conclude('faults', partial(measure, args.only, args.cycles), table, args.json)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
