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
"""Model bundles: the folders under ``models/`` that a node or a command loads."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frm_perception.labels import LabelSpace
from frm_perception.runtime.label_space_file import parse_label_space
from frm_perception.runtime.manifest import BundleError
from frm_perception.runtime.manifest import Section
from frm_perception.runtime.manifest import read_plain_file
from frm_perception.runtime.manifest import read_section
from frm_perception.runtime.manifest import shown
from frm_perception.runtime.onnx_file import external_tensors
from frm_perception.runtime.onnx_file import not_finite_tensors

__all__ = ['Bundle', 'BundleError', 'InputSpec', 'OutputSpec', 'PrecisionEntry', 'find_bundle',
           'parse_resolution']

MANIFEST = 'model.yaml'
DEFAULT = 'default.yaml'
FORMAT = 1
MAX_SIDE = 8192
"""Most pixels of a side of the network's input."""

# A serialised protobuf message, which an ONNX file is, cannot be larger.
_MAX_MODEL_BYTES = (1 << 31) - 1

_AGAIN = 'Copy the bundle again, or export it again.'
_EXPORTED = '"frm export" writes fp32, "frm quantize" adds fp16, bf16, int8 and int8-tensorrt'
_RECIPE = (
    'To make one, copy config/training/frm-light-mobilenetv2.yaml to CONFIG.yaml, name the '
    'network in it (`frm networks` lists them), and choose a NAME:\n'
    '  frm train CONFIG.yaml -o runs/NAME && frm export runs/NAME/checkpoint.pt -o {folder}/NAME\n'
    f'Of precisions, {_EXPORTED}.')


@dataclass(frozen=True)
class InputSpec:
    """
    What the network's input accepts; sizes are (height, width) in pixels.

    :param padding: RGB colour, 0..255, of the border that keeps the aspect ratio.
    """

    name: str
    multiple_of: int
    min: tuple[int, int]
    max: tuple[int, int]
    default: tuple[int, int]
    padding: tuple[int, int, int]

    def fits(self, size: tuple[int, int]) -> bool:
        """Tell whether the network accepts an input of that (height, width)."""
        return all(least <= value <= most and value % self.multiple_of == 0
                   for value, least, most in zip(size, self.min, self.max, strict=True))

    def nearest(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Return the largest size that fits within ``size`` and the smallest that holds it."""
        below = [self._clamp(value // self.multiple_of, axis) for axis, value in enumerate(size)]
        above = [self._clamp(-(-value // self.multiple_of), axis)
                 for axis, value in enumerate(size)]
        candidates = [(below[0], below[1]), (above[0], above[1])]
        return sorted(set(candidates))

    def _clamp(self, steps: int, axis: int) -> int:
        step = self.multiple_of
        return min(max(steps, -(-self.min[axis] // step)), self.max[axis] // step) * step


@dataclass(frozen=True)
class OutputSpec:
    """
    The network's output: logits at ``1 / stride`` of the input's size.

    :param stride: input pixels per logits cell.
    """

    name: str
    stride: int


@dataclass(frozen=True)
class PrecisionEntry:
    """
    One ONNX file of a bundle.

    :param file: name within the bundle's folder.
    :param sha256: of the file, 64 hexadecimal digits.
    :param accuracy: measured figures of this very file, as the manifest gives them.
    """

    file: str
    sha256: str
    accuracy: Mapping[str, object]


@dataclass(frozen=True)
class Bundle:
    """A trained network as it lies on disk; see :meth:`load`."""

    folder: Path
    name: str
    network: str
    backbone: str
    head: str
    label_space: LabelSpace
    input: InputSpec
    output: OutputSpec
    precisions: Mapping[str, PrecisionEntry]
    training: Mapping[str, object]

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """
        Read and check ``folder/model.yaml``. The ONNX files are not opened yet.

        :raises BundleError: the manifest is missing, or a key is missing, unknown or wrong; the
            message names the file and the key.
        """
        if not folder.is_dir():
            raise BundleError(f'no model bundle at {folder}: there is no such folder')
        top = read_section(folder / MANIFEST)
        version = top.integer('format', 1, 999)
        if version != FORMAT:
            raise top.error('format', f'is {version}; this version reads format {FORMAT}')
        spec = _input_spec(top.section('input'))
        bundle = cls(
            folder=folder,
            name=top.text('name'),
            network=top.text('network'),
            backbone=top.text('backbone'),
            head=top.text('head'),
            label_space=parse_label_space(top.section('label_space')),
            input=spec,
            output=_output_spec(top.section('output'), spec),
            precisions=_precisions(top.section('precisions')),
            training=top.mapping('training'))
        top.close()
        return bundle

    def verified_model(self, precision: str) -> bytes:
        """
        Return the ONNX model of that precision; these very bytes passed the checksum.

        :raises BundleError: no such precision, the file lies outside the bundle, cannot be read,
            does not have the manifest's SHA-256, keeps weights in other files, or has weights
            that are not finite numbers.
        """
        entry = self.entry(precision)
        file = self.folder / entry.file
        try:
            home = (self.folder / MANIFEST).resolve(strict=True).parent
            target = file.resolve(strict=True)
            # Installing with symbolic links links manifest and model alike, so links as such are
            # fine: what counts is that the model lies beside its manifest once all are followed.
            if target.parent != home:
                raise BundleError(
                    f'{file} leads to {target}, outside of the bundle {home}; a bundle is one '
                    f'folder that holds its own files: copy the model into it')
        except OSError as error:
            raise BundleError(
                f'cannot read the model {file}: {error.strerror}. {_AGAIN}') from error
        except RuntimeError as error:
            # So says Python before 3.13.
            raise BundleError(
                f'cannot read the model {file}: it is a link that leads to itself. {_AGAIN}'
            ) from error
        model = read_plain_file(target, _MAX_MODEL_BYTES)
        digest = hashlib.sha256(model).hexdigest()
        if digest != entry.sha256:
            raise BundleError(
                f'{file} is not the file that {MANIFEST} describes: its SHA-256 is {digest}, '
                f'the manifest says {entry.sha256}. {_AGAIN}')
        _check_tensors(file, model)
        return model

    def entry(self, precision: str) -> PrecisionEntry:
        """
        Return the entry of that precision.

        :raises BundleError: the bundle does not have it; the message lists those it has.
        """
        if precision not in self.precisions:
            raise BundleError(
                f'the bundle {self.name!r} in {self.folder} has no precision {precision!r}; '
                f'it has {", ".join(self.precisions)} ({_EXPORTED})')
        return self.precisions[precision]


def find_bundle(models_dir: Path, backbone: str = 'auto', precision: str = 'fp32') -> Bundle:
    """
    Choose a bundle of ``models_dir``: a folder of bundles, or a bundle itself.

    :param backbone: 'auto' takes the bundle that ``default.yaml`` names, or the only one there
        is; a bundle's name takes that one; a backbone's name takes the bundle with that backbone
        and precision (the default one where several match).
    :raises BundleError: nothing matches, or several do; the message lists what is there and the
        commands that would make the missing one.
    """
    if not models_dir.is_dir():
        raise BundleError(f'no folder of models at {models_dir}')
    home, default = models_dir, None
    broken: list[str] = []
    # Also where the manifest is something odd: to load it says what.
    if os.path.lexists(models_dir / MANIFEST):
        home = models_dir.parent
        bundles = [Bundle.load(models_dir)]
    else:
        default = _default_name(models_dir)
        if backbone == 'auto' and default is not None:
            bundle = Bundle.load(models_dir / default)
            bundle.entry(precision)
            return bundle
        bundles, broken = _load_all(models_dir)
    matching = [bundle for bundle in bundles
                if backbone in ('auto', bundle.backbone, bundle.folder.name)
                and precision in bundle.precisions]
    preferred = ([bundle for bundle in matching if bundle.folder.name == backbone]
                 or [bundle for bundle in matching if bundle.folder.name == default])
    if len(preferred or matching) == 1:
        return (preferred or matching)[0]
    wanted = f'precision {precision!r}'
    if backbone != 'auto':
        wanted = f'backbone {backbone!r} with {wanted}'
    if matching:
        raise BundleError(
            f'several bundles in {models_dir} have {wanted}: '
            f'{", ".join(bundle.folder.name for bundle in matching)}. Give one of these names as '
            f'the backbone, or name one in {models_dir / DEFAULT} (default: NAME).')
    there = [f'  {bundle.folder.name}: backbone {bundle.backbone}, '
             f'precision {", ".join(bundle.precisions)}' for bundle in bundles]
    raise BundleError('\n'.join([
        f'no bundle in {models_dir} has {wanted}; there is:',
        *(there + broken or ['  nothing']), _RECIPE.format(folder=home)]))


def parse_resolution(text: str, bundle: Bundle) -> tuple[int, int]:
    """
    Return the network's input size, (height, width), that ``text`` asks for.

    :param text: 'auto' for the bundle's default, or 'HEIGHTxWIDTH' such as '384x640'.
    :raises ValueError: it is neither, or the network does not accept it; the message gives the
        rule and the nearest sizes that fit.
    """
    spec = bundle.input
    if text == 'auto':
        return spec.default
    match = re.fullmatch('([0-9]{1,6})x([0-9]{1,6})', text)
    if match is None:
        raise ValueError(
            f"resolution {text!r} must be 'auto' or HEIGHTxWIDTH, such as "
            f"'{_size_text(spec.default)}'")
    size = int(match[1]), int(match[2])
    if not spec.fits(size):
        if spec.min == spec.max:
            raise ValueError(
                f'resolution {text} does not fit the model {bundle.name!r}: it was made for '
                f'{_size_text(spec.default)} alone')
        nearest = ' or '.join(_size_text(near) for near in spec.nearest(size))
        raise ValueError(
            f'resolution {text} does not fit the model {bundle.name!r}: height and width must be '
            f'multiples of {spec.multiple_of}, from {_size_text(spec.min)} to '
            f'{_size_text(spec.max)}; the nearest is {nearest}')
    return size


def _size_text(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


def _default_name(models_dir: Path) -> str | None:
    if not (models_dir / DEFAULT).exists():
        return None
    section = read_section(models_dir / DEFAULT)
    name = section.text('default')
    section.close()
    if Path(name).name != name or name in ('.', '..'):
        raise section.error(
            'default', f'must be the name of a folder beside it, not {shown(name)}')
    return name


def _load_all(models_dir: Path) -> tuple[list[Bundle], list[str]]:
    """Return the bundles of a folder and, for each that cannot be read, a line that says why."""
    bundles: list[Bundle] = []
    broken: list[str] = []
    for manifest in sorted(models_dir.glob(f'*/{MANIFEST}')):
        try:
            bundles.append(Bundle.load(manifest.parent))
        except BundleError as error:
            broken.append(f'  {manifest.parent.name}: {error}')
    return bundles, broken


def _input_spec(section: Section) -> InputSpec:
    section.text('layout', 'NHWC')
    section.text('dtype', 'uint8')
    section.text('color', 'rgb')
    red, green, blue = section.integers('padding', 3, 0, 255)
    spec = InputSpec(
        name=section.text('name'),
        multiple_of=section.integer('multiple_of', 1, MAX_SIDE),
        min=_size(section, 'min'),
        max=_size(section, 'max'),
        default=_size(section, 'default'),
        padding=(red, green, blue))
    section.close()
    if not spec.fits(spec.default):
        raise section.error(
            'default', f'does not fit what stands beside it: {_size_text(spec.default)} is not '
                       f'of multiples of {spec.multiple_of}, from {_size_text(spec.min)} to '
                       f'{_size_text(spec.max)}. {_AGAIN}')
    return spec


def _output_spec(section: Section, seen: InputSpec) -> OutputSpec:
    spec = OutputSpec(section.text('name'), section.integer('stride', 1, MAX_SIDE))
    section.close()
    if seen.multiple_of % spec.stride:
        raise section.error(
            'stride', f"is {spec.stride}, and 'input.multiple_of' is {seen.multiple_of}, no "
                      f'multiple of it: not every image would have whole cells. {_AGAIN}')
    return spec


def _precisions(section: Section) -> dict[str, PrecisionEntry]:
    if not section.keys():
        raise BundleError(f"{section.file}: 'precisions' is empty")
    entries: dict[str, PrecisionEntry] = {}
    for precision in section.keys():
        entry = section.section(precision)
        file = entry.text('file')
        if Path(file).name != file or file in ('.', '..'):
            raise entry.error(
                'file', f'must be the name of a file beside it, not {shown(file)}')
        sha256 = entry.text('sha256').lower()
        if re.fullmatch('[0-9a-f]{64}', sha256) is None:
            raise entry.error('sha256', f'must be 64 hexadecimal digits, not {shown(sha256)}')
        entries[precision] = PrecisionEntry(file, sha256, entry.mapping('accuracy'))
        entry.close()
    return entries


def _size(section: Section, key: str) -> tuple[int, int]:
    height, width = section.integers(key, 2, 1, MAX_SIDE)
    return height, width


def _check_tensors(file: Path, model: bytes) -> None:
    try:
        elsewhere, damaged = external_tensors(model), not_finite_tensors(model)
    except ValueError as error:
        raise BundleError(f'{file}: {error}. {_AGAIN}') from error
    if elsewhere:
        raise BundleError(
            f'{file} keeps {len(elsewhere)} tensors in other files (the first is '
            f'{shown(elsewhere[0])}), which its checksum does not cover. Export the model as one '
            f'file.')
    if damaged:
        raise BundleError(
            f'{file} has weights that are not finite numbers in {len(damaged)} tensors (the first '
            f'is {shown(damaged[0])}): its training or its conversion went wrong. Export it again '
            f'from a good checkpoint, or convert it again.')
