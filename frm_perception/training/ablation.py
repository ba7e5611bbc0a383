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
An ablation: variants of one training run, each with several seeds, on equal terms.

Everything but the network, its start and the named parts of the loss is the same for all variants.
Every run has a folder of its own; one that is finished is not trained again, and one that was
interrupted goes on. All variants of a seed are trained before the next seed, so that whatever is
finished can be compared.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from tqdm import tqdm

from frm_perception.evaluation.record import provenance
from frm_perception.media.files import write_json
from frm_perception.networks import build
from frm_perception.networks.cost import Cost
from frm_perception.networks.cost import measure_cost
from frm_perception.runtime.label_space_file import find_label_space
from frm_perception.training import processes
from frm_perception.training.ablation_report import T_QUANTILES
from frm_perception.training.ablation_report import compare
from frm_perception.training.config import TrainingConfig
from frm_perception.training.config import parse_config
from frm_perception.training.journal import EVALUATED
from frm_perception.training.loop import Run

_PACKAGES = ('torch', 'numpy', 'opencv-python-headless')
_RESULT = 'result.json'


@dataclass(frozen=True)
class Variant:
    """
    One of the things that are compared.

    :param config: of its run with the first seed; of the others only the seed differs.
    """

    name: str
    config: TrainingConfig


@dataclass(frozen=True)
class Ablation:
    """
    What is compared.

    :param content: the plain keys and values of the file.
    :param variants: the first is what the others are compared with.
    """

    content: dict[str, Any]
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]


def load_ablation(file: Path) -> Ablation:
    """
    Read an ablation; paths in it are relative to the working directory.

    It has ``base``, a training configuration without network and seed; ``seeds``; and
    ``variants``, each with ``name``, ``network`` and, if it differs in them, ``start`` and
    ``loss``: keys that replace those of the base's.

    :raises ValueError: not YAML, or a key is missing, unknown or wrong; the message names the file
        and the key.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f'{file}: cannot be read as YAML: {error}') from error
    _require_keys(content, ('base', 'seeds', 'variants'), (), str(file))
    seeds = content['seeds']
    most = len(T_QUANTILES) + 1
    if (not isinstance(seeds, list) or any(type(seed) is not int for seed in seeds)
            or len(set(seeds)) != len(seeds) or not 2 <= len(seeds) <= most):
        raise ValueError(f'{file}: seeds: 2 to {most} different whole numbers are needed, not '
                         f'{seeds!r}')
    return Ablation(content, tuple(seeds), _parse_variants(content, str(file)))


def _parse_variants(content: Mapping[str, Any], where: str) -> tuple[Variant, ...]:
    base, variants = content['base'], content['variants']
    if not isinstance(variants, list) or len(variants) < 2:
        raise ValueError(f'{where}: variants: a list of two or more is needed, not {variants!r}')
    if not isinstance(base, dict):
        raise ValueError(f'{where}: base: keys and values are needed, not {base!r}')
    for key, owner in (('network', 'variants'), ('seed', 'seeds')):
        if key in base:
            raise ValueError(f'{where}: base: {key!r} does not belong here; {owner} has it')
    for index, variant in enumerate(variants):
        _require_keys(variant, ('name', 'network'), ('start', 'loss'),
                      f'{where}: variants[{index}]')
        if not re.fullmatch('[a-z0-9-]+', str(variant['name'])):
            raise ValueError(f'{where}: variants[{index}]: name: lower-case letters, digits and '
                             f'hyphens are needed, not {variant["name"]!r}')
    names = [variant['name'] for variant in variants]
    if len(set(names)) != len(names):
        raise ValueError(f'{where}: variants: every name must be another, not {names}')
    # First by itself: what is wrong with the base is no variant's fault.
    common = {**base, 'network': variants[0]['network'], 'seed': content['seeds'][0]}
    if not parse_config(common, f'{where}: base').held_out:
        raise ValueError(f'{where}: base: held_out is empty; there is nothing to measure on')
    return tuple(_parse_variant(variant, common, f'{where}: variants: {variant["name"]}')
                 for variant in variants)


def _parse_variant(variant: Mapping[str, Any], common: Mapping[str, Any], where: str) -> Variant:
    changes = variant.get('loss', {})
    if not isinstance(changes, dict):
        raise ValueError(f'{where}: loss: keys and values are needed, not {changes!r}')
    own = {key: variant[key] for key in ('network', 'start') if key in variant}
    return Variant(variant['name'], parse_config(
        {**common, **own, 'loss': {**common.get('loss', {}), **changes}}, where))


def _require_keys(value: Any, required: Sequence[str], optional: Sequence[str], where: str
                  ) -> None:
    if not isinstance(value, dict):
        raise ValueError(f'{where}: keys and values are needed, not {value!r}')
    unknown = [key for key in value if key not in (*required, *optional)]
    if unknown:
        raise ValueError(f'{where}: unknown key {unknown[0]!r}; there are '
                         f'{", ".join((*required, *optional))}')
    missing = [key for key in required if key not in value]
    if missing:
        raise ValueError(f'{where}: the key {missing[0]!r} is missing')


def measure(ablation: Ablation, folder: Path) -> Iterator[dict[str, Any]]:
    """
    Train and measure everything that is not finished.

    :param folder: holds a folder for each run, named after its variant and seed.
    :return: what ``--json`` writes: at the beginning if runs are finished already, and after every
        run.
    :raises ValueError: no such network, it does not take the crops, or a folder holds a run of
        another configuration, all before anything is trained; or the data is not usable.
    :raises KeyboardInterrupt: the run under way was saved; the same call goes on.
    """
    origin = provenance(_PACKAGES)
    costs = {variant.name: _cost(variant) for variant in ablation.variants}
    finished: list[dict[str, Any]] = []
    pending: list[tuple[Variant, TrainingConfig, Path]] = []
    for seed in ablation.seeds:
        for variant in ablation.variants:
            config = replace(variant.config, seed=seed)
            run_folder = folder / f'{variant.name}-seed{seed}'
            result = _finished(config, run_folder)
            if result:
                finished.append(result)
            else:
                pending.append((variant, config, run_folder))
    if finished:
        yield _results(ablation, costs, finished, origin)
    with tqdm(pending, total=len(finished) + len(pending), initial=len(finished),
              unit='run') as progress:
        for variant, config, run_folder in progress:
            progress.set_description(f'{variant.name}, seed {config.seed}')
            finished.append(_train(variant, config, run_folder, folder / 'cache'))
            yield _results(ablation, costs, finished, origin)


def _cost(variant: Variant) -> Cost:
    config = variant.config
    crop = config.augmentation
    with torch.device('meta'):
        network = build(config.network, len(find_label_space(config.label_space).classes))
    try:
        network.check_size(crop.height, crop.width)
    except ValueError as error:
        raise ValueError(f'base: augmentation: height, width of {variant.name}: {error}'
                         ) from error
    return measure_cost(network, crop.height, crop.width)


def _finished(config: TrainingConfig, folder: Path) -> dict[str, Any] | None:
    """Return the result of a run that was finished before."""
    file = folder / _RESULT
    if not file.exists():
        return None
    saved: dict[str, Any] = json.loads(file.read_text(encoding='utf-8'))
    asked = json.loads(json.dumps(asdict(config)))
    if saved['config'] != asked:
        changed = [key for key, value in asked.items() if saved['config'].get(key) != value]
        raise ValueError(f'{file}: belongs to a run with another {", ".join(changed)}; choose '
                         'another folder or delete that of the run')
    result: dict[str, Any] = saved['result']
    return result


def _train(variant: Variant, config: TrainingConfig, folder: Path, cache: Path) -> dict[str, Any]:
    """Train a run to its end and return its result, which its folder also keeps."""
    begin = time.perf_counter()
    run = Run(config, folder, cache, processes.join())
    whole = run.iteration == 0
    run.train()
    measured = _measured(run)
    iou = {name: measured[f'held_out_{name}'] for name in run.space.classes}
    result = {
        'variant': variant.name, 'seed': config.seed, 'iterations': run.iteration,
        'mean_iou': measured[EVALUATED],
        # A class that neither labels nor predictions have is not a number.
        'iou': {name: value if value == value else None for name, value in iou.items()},
        # How long a run took that was interrupted, nobody knows.
        'seconds': time.perf_counter() - begin if whole else None,
        'commit': provenance(())['commit']}
    write_json(folder / _RESULT, {'config': asdict(config), 'result': result})
    return result


def _measured(run: Run) -> dict[str, float]:
    """Return the held-out figures that the run logged at its end."""
    lines = (run.folder / 'log.jsonl').read_text(encoding='utf-8').splitlines()
    measured: dict[str, float] = next(
        entry for entry in map(json.loads, reversed(lines))
        if entry['iteration'] == run.iteration and EVALUATED in entry)
    return measured


def _results(ablation: Ablation, costs: Mapping[str, Cost], runs: Sequence[dict[str, Any]],
             origin: Mapping[str, object]) -> dict[str, Any]:
    config = ablation.variants[0].config
    space = find_label_space(config.label_space)
    spreads, differences = compare(list(costs), runs, space.classes)
    return {
        'benchmark': 'ablation', 'config': ablation.content,
        'size': [config.augmentation.height, config.augmentation.width],
        'iterations': config.iterations, 'batch': config.batch, 'drivable': list(space.drivable),
        'planned_runs': len(ablation.seeds) * len(ablation.variants), **origin,
        'variants': [
            {'name': variant.name, 'network': variant.config.network,
             'loss': asdict(variant.config.loss), **asdict(costs[variant.name]),
             **spreads[variant.name]} for variant in ablation.variants],
        'differences': differences, 'runs': list(runs)}
