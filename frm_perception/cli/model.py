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
"""``frm model``: the models of a vehicle; a new one takes its place whole or not at all."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import node_name
from frm_perception.cli.arguments import positive

if TYPE_CHECKING:
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.model_store import ModelStore

STORE = Path('/var/lib/frm_perception/models')
_TRIAL_SIZE = 270, 480


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command and its options."""
    parser = subparsers.add_parser('model', help='change the model of a vehicle')
    kinds = parser.add_subparsers(dest='kind', metavar='KIND', required=True)
    install = kinds.add_parser(
        'install', help='take in a model bundle and make it the current one',
        description='Copies a bundle into the store, verifies every file, runs it on a rendered '
                    'frame and then makes it current in one step. With --node a running node is '
                    'asked to go on with it; where that refuses or fails, the model before is '
                    'current again. Status 0: it is current; 1: it is not, and nothing has '
                    'changed; 3: what was before could not be brought back in the node.')
    install.add_argument('bundle', type=Path, metavar='BUNDLE',
                         help="a bundle's folder, or a tar file with that folder alone")
    install.set_defaults(run=run_install)
    rollback = kinds.add_parser(
        'rollback', help='make the previous model the current one',
        description='Exchanges the current and the previous model of the store; --node and status '
                    'as of install.')
    rollback.set_defaults(run=run_rollback)
    listing = kinds.add_parser('list', help='show the models of the store')
    listing.set_defaults(run=run_list)
    for kind in (install, rollback, listing):
        kind.add_argument('--store', type=Path, default=STORE, metavar='DIR',
                          help='where the models are (default: %(default)s)')
    for kind in (install, rollback):
        kind.add_argument('--node', type=node_name, metavar='NAME',
                          help='full name of a running node, such as /segmenter, that is to go on '
                               'with the model; without it, a node takes the model when it is '
                               'configured the next time')
        kind.add_argument('--timeout', type=positive, default=600.0, metavar='S',
                          help='wait so long for the node, which may have to build an engine '
                               '(default: %(default)s)')


def run_install(args: argparse.Namespace) -> int:
    """Install; return the exit status that the help explains."""
    return _changed(args, lambda store: store.add(args.bundle, _try_out))


def run_rollback(args: argparse.Namespace) -> int:
    """Roll back; return the exit status that the help explains."""
    return _changed(args, _previous)


def run_list(args: argparse.Namespace) -> int:
    """Print a line for each model; 0, or 1 where one is damaged."""
    from frm_perception.runtime.bundle import BundleError
    from frm_perception.runtime.model_store import ModelStore
    try:
        models = ModelStore(args.store).models()
    except (BundleError, OSError) as error:
        _say(str(error))
        return 1
    if not models:
        _say(f'there is no model in {args.store}; "frm model install BUNDLE" brings one')
    for model in models:
        use = 'current' if model.is_current else 'previous' if model.is_previous else ''
        print(f'{model.version:40} {use:9} {model.bundle.network}, '
              f'{", ".join(model.bundle.precisions)}')
    return 0


def _changed(args: argparse.Namespace, choose: Any) -> int:
    """Make another model current, in the node as well where one is named."""
    from frm_perception.runtime.bundle import BundleError
    from frm_perception.runtime.engines import EngineError
    from frm_perception.runtime.model_store import ModelStore
    from frm_perception.runtime.model_store import ModelStoreError
    store = ModelStore(args.store)
    try:
        with store.locked():
            bundle: Bundle = choose(store)
            status = _switch(store, bundle, args)
            if status == 0:
                store.prune()
    except (BundleError, ModelStoreError, EngineError, OSError) as error:
        _say(f'{error}\nNothing has changed.')
        return 1
    return status


def _previous(store: ModelStore) -> Bundle:
    from frm_perception.runtime.bundle import Bundle
    from frm_perception.runtime.model_store import ModelStoreError
    if store.previous is None or store.previous == store.current:
        raise ModelStoreError(f'there is no previous model in {store.folder}')
    bundle = Bundle.load(store.previous)
    for precision in bundle.precisions:
        bundle.verified_model(precision)
    return bundle


def _switch(store: ModelStore, bundle: Bundle, args: argparse.Namespace) -> int:
    if args.node is None:
        store.make_current(bundle.folder)
        _say(f'{bundle.folder.name} is the current model; a node with model_dir '
             f'{store.folder / "current"} takes it when it is configured the next time')
        return 0
    from frm_perception.ros.model_change import ModelChange
    from frm_perception.ros.model_change import ModelChangeError
    from frm_perception.ros.replay.participant import Participant
    from frm_perception.ros.replay.participant import ReplayError
    with Participant('model_change', with_images=False) as participant:
        change = ModelChange(participant, args.node, _say)
        before = store.current, store.previous
        asked = False
        try:
            change.prepare()
            store.make_current(bundle.folder)
            asked = True
            change.change(str(bundle.folder),
                          {entry.sha256 for entry in bundle.precisions.values()}, args.timeout)
        except BaseException as error:
            store.restore(*before)
            if not isinstance(error, ModelChangeError | ReplayError | KeyboardInterrupt):
                raise
            _say(f'{str(error) or "interrupted"}\n'
                 + (f'{before[0].name} is the current model again.' if before[0] else
                    'There is no current model, as before.'))
            return _undone(change, args.timeout) if asked else 1
    _say(f'{bundle.folder.name} is the current model, and {args.node} answers with it')
    if not Path(change.model_dir).is_relative_to(store.folder):
        _say(f'the model_dir of {args.node} was {change.model_dir!r}: let its file of parameters '
             f'say {str(store.folder / "current")!r}, or it takes the old one at its next start')
    return 0


def _undone(change: Any, timeout_s: float) -> int:
    from frm_perception.ros.model_change import ModelChangeError
    try:
        change.undo(timeout_s)
    except ModelChangeError as error:
        _say(f'the node was not brought back to its model: {error}. Start it again.')
        return 3
    return 1


def _try_out(bundle: Bundle) -> None:
    """
    Run a bundle on a rendered frame.

    :raises BundleError: its labels are not what labels are.
    :raises EngineError: it does not run.
    """
    from frm_perception.runtime.bundle import BundleError
    from frm_perception.runtime.segmenter import Segmenter
    from frm_perception.scenes.drive import RenderedDrive
    image = RenderedDrive(height=_TRIAL_SIZE[0], width=_TRIAL_SIZE[1], frames=1)[0].image
    precision = 'fp32' if 'fp32' in bundle.precisions else next(iter(bundle.precisions))
    # On the CPU, and with one thread: a node may be at work beside it, which is to prove the model
    # on its own provider.
    with Segmenter.load(bundle, precision=precision, provider='cpu', threads=1) as segmenter:
        result = segmenter.segment(image)
    found = {bundle.label_space.classes[index] for index in set(result.labels.flat)}
    if len(found) < 2:
        raise BundleError(f'the model {bundle.name!r} sees nothing but {found.pop()} in a '
                          'rendered street: its weights are not those of a trained network')
    _say(f'{bundle.name} runs ({precision} on the CPU): it sees {", ".join(sorted(found))} in a '
         f'rendered street, {(result.drivable > 0).mean():.0%} of it drivable')


def _say(line: str) -> None:
    print(f'frm model: {line}', file=sys.stderr, flush=True)
