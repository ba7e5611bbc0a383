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
"""The files of a model bundle: writing a new folder of them, and one more precision into one."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from frm_perception.deploy.card import card_text
from frm_perception.media.files import replacing
from frm_perception.runtime.bundle import MANIFEST
from frm_perception.runtime.bundle import Bundle
from frm_perception.runtime.bundle import BundleError

CARD = 'README.md'
PICTURES = 'failures.jpg'


def entry(file: str, model: bytes, accuracy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a manifest says of one precision."""
    return {'file': file, 'sha256': hashlib.sha256(model).hexdigest(), 'accuracy': dict(accuracy)}


def entries(models: Mapping[str, bytes], accuracies: Mapping[str, Mapping[str, Any]]
            ) -> dict[str, Any]:
    """Return what a manifest says of precisions that have a file of their own each."""
    return {name: entry(f'{name}.onnx', model, accuracies.get(name, {}))
            for name, model in models.items()}


def write_folder(folder: Path, manifest: Mapping[str, Any], models: Mapping[str, bytes]) -> Bundle:
    """Make a folder with models by precision and the manifest that describes them."""
    folder.mkdir()
    for name, model in models.items():
        (folder / f'{name}.onnx').write_bytes(model)
    (folder / MANIFEST).write_text(_manifest_text(manifest), encoding='utf-8')
    return Bundle.load(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """
    Return the whole manifest of a bundle as it stands.

    :raises BundleError: there is none, or it is not valid.
    """
    Bundle.load(folder)
    manifest: dict[str, Any] = yaml.safe_load((folder / MANIFEST).read_text(encoding='utf-8'))
    return manifest


def extend(folder: Path, precision: str, model: bytes | None, accuracy: Mapping[str, Any],
           fp32: str) -> None:
    """
    Put one more precision into a bundle, or replace it; several may do so at once.

    Nobody sees half of it: every file appears whole, and the manifest names a model only while
    that very one lies there. The card, where the bundle has one, is written anew from the
    manifest. All texts and the model are made before anything is renamed, so a card that cannot be
    told, or no room for the model, changes nothing. Between the first and the last rename a
    precision that is replaced is not in the manifest: who is killed then leaves a valid bundle
    without it, or with the card of before, and maybe a file that the manifest does not name.

    :param model: its ONNX file; None where the runtime computes fp32's in that precision.
    :param fp32: SHA-256 of the file that ``accuracy`` was measured against.
    :raises BundleError: the bundle has another fp32 file by now, or its manifest lacks what the
        card tells.
    """
    # Where the bundle was installed with symbolic links, its files lie beside the manifest itself.
    home = (folder / MANIFEST).resolve().parent
    with _alone(home):
        manifest = read_manifest(home)
        precisions = manifest['precisions']
        if precisions['fp32']['sha256'] != fp32:
            raise BundleError(f'{home} was exported again meanwhile; run the same command again')
        older = precisions.pop(precision, None)
        without = _manifest_text(manifest).encode()
        precisions[precision] = (
            {**precisions['fp32'], 'accuracy': dict(accuracy)} if model is None
            else entry(f'{precision}.onnx', model, accuracy))
        text = _manifest_text(manifest).encode()
        card = _card(home, manifest)
        if model is not None:
            with replacing(home / f'{precision}.onnx') as partial:
                partial.write_bytes(model)
                if older:
                    _replace(home / MANIFEST, without)
        _replace(home / MANIFEST, text)
        if card is not None:
            _replace(home / CARD, card)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep others from extending a bundle meanwhile; the kernel ends it with the process."""
    # The lock is the folder's own: a file for it would be shipped with the bundle.
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _card(home: Path, manifest: Mapping[str, Any]) -> bytes | None:
    """Return the card that belongs to a manifest; None for a bundle that has none."""
    if not (home / CARD).exists():
        return None
    try:
        return card_text(manifest, (home / PICTURES).exists()).encode()
    except KeyError as error:
        raise BundleError(f'{home / MANIFEST} does not say {error}, so {home / CARD} cannot be '
                          f'written: export the bundle again, or remove that file') from error


def _replace(file: Path, content: bytes) -> None:
    with replacing(file) as partial:
        partial.write_bytes(content)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types.
    """Writes out whole what stands in two places: the runtime reads no anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    text: str = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, default_flow_style=None,
                          width=95)
    return text
