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
"""A bundle's model card: what it is, what it reaches, where it fails, what it learned from."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import yaml

from frm_perception.deploy.accuracy_gate import limits_words
from frm_perception.deploy.accuracy_gate import words
from frm_perception.deploy.failures import percent
from frm_perception.deploy.validation import FIGURES
from frm_perception.evaluation.record import markdown_table
from frm_perception.networks import BACKBONES
from frm_perception.networks import HEADS

_TEXT = """\
# {name}

Labels every pixel of a road scene with one of {classes} classes ({space}); drivable: {drivable}.
Not a safety function. Its licence is below.

## What it is

`{network}`: the head `{head}` on the backbone `{backbone}`.

- Backbone: {backbone_origin}
- Head: {head_origin}

No paper's results are claimed for it. Class ids: {ids}.

## How to use it

- In: `{input}`, uint8 [N, height, width, 3], RGB; {sizes}.
- Out: `{output}`, float32 [N, {classes}, height / {stride}, width / {stride}]; the largest of a
  cell's logits is its class.
- `fp32.onnx` keeps its weights in 16 bits and computes in 32.
- Normalisation is inside; where an image is letterboxed, its border is {padding} in RGB.

```sh
frm segment IMAGE.jpg -o out --model PATH/TO/{name}
```

## Figures

{figures}

## Where it fails

{failures}

## What it learned from

{data}

## Recipe

{iterations} iterations{planned} of {batch} images{in_all}, trained at commit `{commit}` with this
configuration: saved as `CONFIG.yaml`, `frm train CONFIG.yaml -o RUN` trains it again.

```yaml
{config}```
{before}
Exported at commit `{export_commit}` ({versions}) with

```sh
{command}
```

## Licence and limits

The weights: {licence}. The program that trained them is Apache-2.0.

Not a safety function: it labels what looks like a road as a road, and knows nothing of what is not
among its classes. {seen}
"""

_METHOD = (
    'Measured at input {resolution} in ONNX Runtime ({provider}), labels compared at the size of '
    'the images, unlabelled pixels left out, as `frm evaluate` does and `docs/evaluation.md` in '
    'the package defines. Mean IoU is over the classes that occur; a dash stands where none did.')

_NOTHING = (
    'Nothing was held out of the training, and no run of the same recipe that held anything out '
    'was given to the export (`frm export --validated-by`). So there are no figures here: '
    'how accurate this model is was not measured.')


_ROLES = {'start': 'Weights to begin with', 'pretrained': 'Pretrained weights'}

_VARIANTS = {
    'fp16': 'Half precision, `fp16.onnx`',
    'bf16': '16 bits with the range of 32, in OpenVINO: `fp32.onnx`',
    'int8': '8 bits for CPUs, `int8.onnx`',
    'int8-tensorrt': '8 bits for TensorRT, `int8-tensorrt.onnx`'}


def card_text(manifest: Mapping[str, Any], pictures: bool) -> str:
    """
    Return the card of a bundle in Markdown, with the figures of its manifest.

    :param pictures: whether the bundle has `failures.jpg`.
    """
    space, size, training = manifest['label_space'], manifest['input'], manifest['training']
    export = training['export']
    return _TEXT.format(
        name=manifest['name'], network=manifest['network'], backbone=manifest['backbone'],
        head=manifest['head'], head_origin=HEADS[manifest['head']].origin,
        backbone_origin=BACKBONES[manifest['backbone']].origin,
        classes=len(space['classes']), space=space['name'],
        drivable=', '.join(space['drivable']),
        ids=', '.join(f'{index} {name}' for index, name in enumerate(space['classes'])),
        input=size['name'], sizes=_sizes(size), padding=tuple(size['padding']),
        output=manifest['output']['name'], stride=manifest['output']['stride'],
        figures=_figures(manifest), failures=_failures(manifest, pictures),
        data=_data(training), iterations=training['iterations'], planned=_planned(training),
        batch=training['batch'], in_all=_in_all(training), before=_recipes_before(training),
        commit=training['commit'], config=_as_yaml(training['config']),
        export_commit=export['commit'], command=training['command'],
        versions=', '.join(f'{name} {version}' for name, version in export['versions'].items()),
        licence=training['licence'], seen=_seen(manifest))


def _sizes(size: Mapping[str, Any]) -> str:
    least, most, default = ('{}x{}'.format(*size[key]) for key in ('min', 'max', 'default'))
    if least == most:
        return f'N is 1, height and width are {default}, and nothing else'
    return (f'height and width are multiples of {size["multiple_of"]}, from {least} to {most}, '
            f'{default} unless told otherwise')


def _measured(manifest: Mapping[str, Any]
              ) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Return figures, each with the run that they are of: None for the bundle's own file."""
    own = manifest['precisions']['fp32']['accuracy']
    return [*([(own, None)] if own else []),
            *((run['accuracy'], run) for run in manifest['training']['validation'])]


def _title(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return 'This very file, `fp32.onnx`'
    return f'Not this file: `{run["checkpoint"]}`'


def _figures(manifest: Mapping[str, Any]) -> str:
    measured = _measured(manifest)
    parts = [_METHOD.format(**measured[0][0])] if measured else [_NOTHING]
    for accuracy, run in measured:
        parts += [f'### {_title(run)}',
                  _whose(accuracy, run, manifest['training']) + _doubts(accuracy),
                  _table(accuracy), _class_table(accuracy)]
        if run and run.get('data'):
            parts += ['The run of these figures learned from', _data_table(run['data'])]
    return '\n\n'.join(parts + _variants(manifest['precisions']))


def _whose(accuracy: Mapping[str, Any], run: Mapping[str, Any] | None,
           training: Mapping[str, Any]) -> str:
    held_out = ', '.join(accuracy['sequences'])
    if run is None:
        return f'Its training held out {held_out}.'
    learned = ', '.join(run['learned_by_this_file'])
    own = f' The file in this bundle learned from {learned}.' if learned else ''
    return (f'These figures are of a run of the same recipe that held out {held_out}.{own} That '
            f'run took {run["iterations"]} iterations{_in_all(run)}, the file in this bundle '
            f'{training["iterations"]}{_in_all(training)}{_differing(run)}. Trained at commit '
            f'`{run["commit"]}`.')


def _differing(run: Mapping[str, Any]) -> str:
    keys = run['differs_in']
    return f'; they differ in {", ".join(keys)}, too' if keys else ''


def _doubts(accuracy: Mapping[str, Any]) -> str:
    doubts = ''
    if accuracy['partly_trained_on']:
        names = ', '.join(accuracy['partly_trained_on'])
        doubts += (f' The network of these figures learned from other images of {names}, so '
                   'expect less on roads that it never saw.')
    if accuracy['seen_before']:
        doubts += (f' {accuracy["seen_before"]} of the {accuracy["images"]} images were not '
                   'unseen: the run that it began with, or its teacher, learned from them.')
    return doubts


def _table(accuracy: Mapping[str, Any]) -> str:
    rows = [['sequence', 'images', *FIGURES.values()]]
    for name, figures in (*accuracy['sequences'].items(), ('**all together**', accuracy)):
        rows.append([name, str(figures['images']), *(percent(figures[key]) for key in FIGURES)])
    return markdown_table(rows)


def _class_table(accuracy: Mapping[str, Any]) -> str:
    columns = [*accuracy['sequences'].values(), accuracy]
    rows = [['IoU of', *accuracy['sequences'], '**all together**']]
    rows += [[name, *(percent(figures['iou'][name]) for figures in columns)]
             for name in accuracy['iou']]
    return markdown_table(rows)


def _variants(precisions: Mapping[str, Any]) -> list[str]:
    """Return a part for each precision but fp32."""
    parts = []
    for name, entry in precisions.items():
        if name == 'fp32':
            continue
        accuracy = entry['accuracy']
        parts += [f'### {_VARIANTS[name]}', _gate(name, accuracy)]
        if 'mean_iou' in accuracy:
            parts += [f'The file itself, where it was exported ({accuracy["provider"]}, which may '
                      'round fewer results):', _table(accuracy)]
    return parts


def _gate(name: str, accuracy: Mapping[str, Any]) -> str:
    gate = accuracy['gate']
    rounded = ', with every result rounded to 16 bits, as on a GPU' if name == 'fp16' else ''
    text = (f'Measured{rounded}: {words(gate)}. Demanded: {limits_words(gate)}. That is what this '
            'precision costs, not how good the model is: it may have learned from these images.')
    if 'calibration' in accuracy:
        calibration, kept = accuracy['calibration'], accuracy['in_higher_precision']
        text += (f' Calibrated on {calibration["images"]} images ({calibration["data"]}). Left in '
                 f'32 bits because they hurt, by measurement: {", ".join(kept) or "no layer"}.')
    return text


def _failures(manifest: Mapping[str, Any], pictures: bool) -> str:
    lines = []
    for accuracy, run in _measured(manifest):
        known = {name: value for name, value in accuracy['iou'].items() if value is not None}
        lowest = sorted(known, key=lambda name: known[name])[:3]
        lines.append(f'- {_title(run)}, lowest IoU: '
                     + ', '.join(f'{name} {percent(known[name])}' for name in lowest) + '.')
    if not lines:
        return 'Not measured: see above.'
    if pictures:
        lines += ['', 'The held-out images with the lowest figures, each as predicted and where '
                  'that is wrong, in the colour of the true class; right pixels are dark. The '
                  'photographs are left out, because their licence may not allow to pass them on.',
                  '', '![The worst held-out images](failures.jpg)']
    return '\n'.join(lines)


def _data(training: Mapping[str, Any]) -> str:
    parts = [_data_table(training['data'])]
    start = training['config']['start']
    if start and not any(run['role'] in _ROLES for run in training['learned_from']):
        parts.append(f'It began with the weights in `{start}`, whose licence is not stated here.')
    for run in training['learned_from']:
        words = _ROLES.get(run['role'], run['role'].capitalize())
        if run['data'] is None:
            parts.append(f'{words}: `{run["checkpoint"]}`, which was not there at the export: '
                         'what it learned from is not known here.')
        else:
            parts += [f'{words}: `{run["checkpoint"]}`, which learned from',
                      _data_table(run['data'])]
    parts.append('What is listed here is no test of the model, even where nobody labelled it by '
                 'hand. What is not counted was not there at the export.')
    return '\n\n'.join(parts)


def _data_table(sources: Sequence[Mapping[str, Any]]) -> str:
    rows = [['data', 'images', 'drawn with weight', 'licence']]
    rows += [[source['data'], 'not counted' if source['images'] is None else str(source['images']),
              '-' if source['weight'] is None else f'{source["weight"]:g}', source['licence']]
             for source in sources]
    return markdown_table(rows)


def _as_yaml(config: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=95)
    return text


def _in_all(run: Mapping[str, Any]) -> str:
    """Return the sum with the runs before it; manifests of older programs do not have it."""
    total = run.get('iterations_in_all')
    if total in (None, run['iterations']):
        return ''
    return f' ({total} with the runs that it began with)'


def _at(commit: str | None) -> str:
    return f' at commit `{commit}`' if commit else ' at a commit that is not recorded'


def _recipes_before(training: Mapping[str, Any]) -> str:
    parts = ['']
    for run in training['learned_from']:
        if run.get('config'):
            parts += [f'{_ROLES.get(run["role"], run["role"].capitalize())}, '
                      f'`{run["checkpoint"]}`: {run["iterations"]} iterations of '
                      f'{run["config"]["batch"]} images{_at(run["commit"])} with', '',
                      f'```yaml\n{_as_yaml(run["config"])}```', '']
        elif run['role'] != 'pretrained':
            parts += [f'How `{run["checkpoint"]}` ({run["role"]}) was trained is not recorded.',
                      '']
    return '\n'.join(parts)


def _planned(training: Mapping[str, Any]) -> str:
    planned = training['config']['iterations']
    return '' if training['iterations'] == planned else f' (of {planned} that were planned)'


def _seen(manifest: Mapping[str, Any]) -> str:
    if not _measured(manifest):
        return 'On any road, test it first.'
    return 'On other roads, cameras and weather than those above, expect less and test it first.'
