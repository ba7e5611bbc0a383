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

import hashlib
from collections.abc import Mapping
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
    Put one more precision into a bundle, or replace it.

    Nobody sees half of it: every file appears whole, and the manifest names a model only once it
    lies there. The card, where the bundle has one, is written anew from the manifest.

    :param model: its ONNX file; None where the runtime computes fp32's in that precision.
    :param fp32: SHA-256 of the file that ``accuracy`` was measured against.
    :raises BundleError: the bundle has another fp32 file by now.
    """
    # Where the bundle was installed with symbolic links, its files lie beside the manifest itself.
    home = (folder / MANIFEST).resolve().parent
    manifest = read_manifest(home)
    precisions = manifest['precisions']
    if precisions['fp32']['sha256'] != fp32:
        raise BundleError(f'{home} was exported again meanwhile; run the same command again')
    if model is None:
        added = {**precisions['fp32'], 'accuracy': dict(accuracy)}
    else:
        added = entry(f'{precision}.onnx', model, accuracy)
        if precisions.pop(precision, None):
            _replace(home / MANIFEST, _manifest_text(manifest).encode())
        _replace(home / f'{precision}.onnx', model)
    precisions[precision] = added
    card = card_text(manifest, (home / PICTURES).exists()) if (home / CARD).exists() else None
    _replace(home / MANIFEST, _manifest_text(manifest).encode())
    if card is not None:
        _replace(home / CARD, card.encode())


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
