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
Make `.venv` ready, then run a command in it: ``bootstrap.py run,test -- pytest test``.

The first argument names files of ``requirements/``. Where a ROS 2 is sourced, `.venv` is made
with the Python that can import its ``rclpy``, and sees the packages of the system; elsewhere
``requirements/ros-wheels.txt`` is installed as well. ``.venv/frm_perception.json`` records what
was done: nothing is done twice, and an installation that did not end well is begun anew.

Needs Python 3.6 and its standard library only: the Python that runs it may be one that the
package itself does not support.
"""

import argparse
import ast
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO
from typing import Any
from typing import Dict
from typing import Mapping
from typing import Optional
from typing import Sequence

OLDEST = (3, 10)
NEWEST = (3, 12)
ROS_WHEELS = 'ros-wheels'
ROS_PACKAGES = ('cv_bridge', 'diagnostic_msgs', 'lifecycle_msgs', 'sensor_msgs', 'std_msgs')
GIGABYTES = {'run': 0.6, ROS_WHEELS: 0.3, 'openvino': 0.3, 'train': 1.5, 'test': 0.3, 'bench': 0.2,
             'cluster': 0.1, 'vehicle': 0.1}
"""Free disk needed for each file of requirements: what it takes once installed, and downloads."""
GIGABYTES_WITH_CUDA = 10.0
"""The same for a PyTorch that brings CUDA along; an estimate, never measured."""

_PROBE = """
import importlib.util, json, sys
def there(name):
    return importlib.util.find_spec(name) is not None
try:
    import rclpy
    ros_error = ''
except Exception as error:
    ros_error = str(error).strip().partition(chr(10))[0] or repr(error)
base = getattr(sys, '_base_executable', sys.executable)
print(json.dumps({'version': sys.version_info[:3], 'executable': base,
                  'venv': there('venv') and there('ensurepip'), 'pip': there('pip'),
                  'ros_error': ros_error,
                  'missing': [name for name in sys.argv[1:] if not there(name)]}))
"""

# What pip says of trouble, and what to do about it; the first that is found counts.
_ADVICE = (
    (r'No space left on device',
     'The disk is full (or the one that holds temporary files: set TMPDIR to a larger one).'),
    (r'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries'
     r'|Network is unreachable|Connection (refused|reset)|Temporary failure in name resolution',
     'The package index cannot be reached. Check the network, the proxy (HTTPS_PROXY) and the '
     'settings of pip ("pip config list").'),
    (r'CERTIFICATE_VERIFY_FAILED|SSLError',
     'The certificate of the package index is not trusted: PIP_CERT names your own.'),
    (r'No matching distribution found for (?P<what>\S+)',
     'The package index has no {what} for this Python on this computer. Another Python may help: '
     'make PYTHON=python3.11 ...'),
    (r'Permission denied',
     'A folder cannot be written to; the lines above name it.'),
)


class Problem(Exception):
    """Something that the user has to mend; the text says what and how."""


def say(text: str) -> None:
    """Tell the user what happens."""
    print('[bootstrap] ' + text, flush=True)


def sourced_ros(environ: Mapping[str, str]) -> str:
    """Return the name of the ROS distribution that is sourced, or nothing."""
    return environ.get('ROS_DISTRO', '') if environ.get('AMENT_PREFIX_PATH') else ''


def probe(python: str) -> Optional[Dict[str, Any]]:
    """Return what a Python is able to do, or None where it cannot be run."""
    try:
        process = subprocess.run(
            [python, '-c', _PROBE, *ROS_PACKAGES], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
        found: Dict[str, Any] = json.loads(process.stdout.decode().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None
    return found


def choose_python(wanted: str, ros: str) -> str:
    """
    Return a Python that `.venv` can be made with.

    :param wanted: the only one to consider, or nothing to look around.
    :param ros: the distribution that is sourced, which the Python has to go with, or nothing.
    :raises Problem: there is none.
    """
    names = [wanted] if wanted else ['python3', 'python3.12', 'python3.11', 'python3.10',
                                     '/usr/bin/python3']
    refused = []
    for name in names:
        found = probe(name)
        refusal = 'cannot be run' if found is None else _refusal(found, ros)
        if found is not None and not refusal:
            say(f'using Python {_dotted(found["version"])}, {found["executable"]}')
            return str(found['executable'])
        if found is not None or wanted:
            refused.append(f'  {name}: {refusal}')
    raise Problem('\n'.join(['No Python that can be used:', *refused, _python_advice(ros)]))


def _refusal(found: Dict[str, Any], ros: str) -> str:
    """Return why a Python cannot be used, or nothing."""
    version = tuple(found['version'][:2])
    label = f'is Python {_dotted(found["version"])}'
    if version < OLDEST:
        return f'{label}, too old'
    if version > NEWEST:
        return f'{label}, too new'
    if ros and found['ros_error']:
        return f'{label}, which cannot import rclpy of ROS 2 {ros}: {found["ros_error"]}'
    if ros and found['missing']:
        packages = ' '.join(f'ros-{ros}-{name.replace("_", "-")}' for name in found['missing'])
        return f'{label}, and ROS 2 {ros} is not complete: sudo apt install {packages}'
    if not found['venv']:
        return f'{label}, without venv: sudo apt install python{_dotted(version)}-venv'
    return ''


def _dotted(version: Sequence[int]) -> str:
    return '.'.join(map(str, version))


def _python_advice(ros: str) -> str:
    if ros:
        return (f'ROS 2 {ros} is sourced. Use the Python that it was made for (sudo apt install '
                f'ros-{ros}-ros-base python3-venv), or begin in a shell where no ROS is '
                'sourced.')
    return (f'Python {_dotted(OLDEST)} to {_dotted(NEWEST)} is needed, with its venv module: '
            'sudo apt install python3 python3-venv\n'
            'A Python of another name is taken by: make PYTHON=/path/to/python3 ...')


class Environment:
    """
    The virtual environment and the record of what is in it.

    :param root: the checkout; the environment is its folder `.venv`.
    :param ros: the distribution that is sourced, or nothing.
    """

    def __init__(self, root: Path, ros: str) -> None:
        self.folder = root / '.venv'
        self.python = self.folder / 'bin' / 'python'
        self._root = root
        self._ros = ros
        self._record_file = self.folder / 'frm_perception.json'
        self._record = self._read_record()

    def prepare(self, files: Sequence[str], wanted_python: str) -> None:
        """
        Install files of requirements, into a new environment where the old one is of no use.

        :raises Problem: something is missing that the user has to provide.
        """
        if not self._ros:
            machine = os.uname().machine
            if machine != 'x86_64':
                raise Problem(f'There are wheels of ROS 2 for x86_64 only, and this is {machine}: '
                              'source a ROS 2 Humble or Jazzy installation first.')
            files = [*files, ROS_WHEELS]
        fault = self._fault(wanted_python)
        if fault:
            if self.folder.exists():
                say(f'{self.folder} {fault}: making it anew')
            self._check_disk(files)
            self._create(choose_python(wanted_python, self._ros))
        hashes = {name: self._hash(name) for name in files}
        if any(self._record['installed'].get(name) != hashes[name] for name in files):
            if not fault:
                self._check_disk([name for name in files if name not in self._record['installed']])
            self._install(files)
            self._record['installed'].update(hashes)
            self._write_record()
        self._link_checkout()

    def variables(self, environ: Mapping[str, str]) -> Dict[str, str]:
        """Return the variables that commands of the environment need."""
        result = dict(environ)
        result['VIRTUAL_ENV'] = str(self.folder)
        result['PATH'] = f'{self.folder / "bin"}{os.pathsep}{environ.get("PATH", os.defpath)}'
        result.pop('PYTHONHOME', None)
        # Before whatever is sourced: a workspace may hold an installed copy of the package.
        result['PYTHONPATH'] = os.pathsep.join(
            filter(None, [str(self._root), environ.get('PYTHONPATH', '')]))
        if not self._ros:
            # The wheels of ROS have no setup file that would say where they are. What they set
            # themselves for a Python that is the parent of this one is not for here.
            result['AMENT_PREFIX_PATH'] = str(self.folder)
            result.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
        return result

    def _read_record(self) -> Dict[str, Any]:
        try:
            record: Dict[str, Any] = json.loads(self._record_file.read_text())
        except (OSError, ValueError):
            return {'ros': self._ros, 'installed': {}, 'unfinished': False}
        return record

    def _write_record(self) -> None:
        self._record_file.write_text(json.dumps(self._record, indent=2) + '\n')

    def _fault(self, wanted_python: str) -> str:
        """Return why the environment cannot be used as it is, or nothing."""
        if not self.folder.exists():
            return 'is not there'
        if self._record['unfinished']:
            return 'was left unfinished'
        if self._record['ros'] != self._ros:
            return f'was made for {self._record["ros"] or "the wheels of ROS"}'
        found = probe(str(self.python))
        if found is None or not found['pip']:
            return 'is broken'
        version = tuple(found['version'])
        if not OLDEST <= version[:2] <= NEWEST:
            return f'has Python {_dotted(version)}'
        wanted = probe(wanted_python) if wanted_python else found
        if wanted is None or wanted['version'] != found['version']:
            return f'has Python {_dotted(version)} and not {wanted_python}'
        if self._ros and found['ros_error']:
            return f'does not see ROS 2 {self._ros}'
        return ''

    def _check_disk(self, files: Sequence[str]) -> None:
        needed = sum(GIGABYTES[name] for name in files)
        free = shutil.disk_usage(str(self._root)).free / 1e9
        if free < needed:
            raise Problem(
                f'Not enough disk: {needed:.1f} GB are needed at {self._root}, {free:.1f} GB are '
                'free. Make room, or move the checkout to a larger disk.')
        if 'train' in files and free < GIGABYTES_WITH_CUDA:
            say(f'{free:.1f} GB are free: enough for a PyTorch without CUDA; one with CUDA, which '
                f'pip takes unless it is told otherwise, needs {GIGABYTES_WITH_CUDA:.0f} GB')

    def _create(self, python: str) -> None:
        if self.folder.is_symlink() or self.folder.is_file():
            raise Problem(f'{self.folder} is not a folder: remove it')
        if self.folder.is_dir():
            shutil.rmtree(str(self.folder))
        say(f'making {self.folder}')
        command = [python, '-m', 'venv', str(self.folder)]
        if self._ros:
            command.insert(3, '--system-site-packages')
        self.folder.mkdir()
        self._record = {'ros': self._ros, 'installed': {}, 'unfinished': True}
        self._write_record()
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        if process.returncode:
            raise Problem(f'{process.stdout.decode().strip()}\n"{" ".join(command)}" failed.')

    def _hash(self, name: str) -> str:
        file = self._root / 'requirements' / (name + '.txt')
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def _install(self, files: Sequence[str]) -> None:
        say(f'installing {", ".join(files)} (requirements/*.txt; minutes, the first time)')
        # Only empy comes as source, which is pure Python: for others there may be no compiler.
        command = [str(self.python), '-m', 'pip', 'install', '--disable-pip-version-check',
                   '--no-input', '--progress-bar', 'off', '--only-binary', ':all:',
                   '--no-binary', 'empy']
        for name in files:
            command += ['-r', str(self._root / 'requirements' / (name + '.txt'))]
        # What lies on PYTHONPATH would count as installed, though it may be gone tomorrow.
        variables = self.variables(os.environ)
        variables.pop('PYTHONPATH', None)
        self._record['unfinished'] = True
        self._write_record()
        log = self.folder / 'pip.log'
        with log.open('w') as file:
            code = _run_pip(command, variables, file)
        if code:
            lines = log.read_text(errors='replace').splitlines()
            raise Problem('\n'.join([
                *lines[-12:], f'pip failed (status {code}; all it said is in {log}).',
                _pip_advice(lines)]))
        self._record['unfinished'] = False
        self._write_record()

    def _link_checkout(self) -> None:
        """Let the environment import the checkout's package and have its commands."""
        tree = ast.parse((self._root / 'setup.py').read_text())
        entry_points = next(
            ast.literal_eval(node.value) for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg == 'entry_points')
        for packages in self.folder.glob('lib/python3.*/site-packages'):
            (packages / 'frm_perception_checkout.pth').write_text(f'{self._root}\n')
        for entry in entry_points['console_scripts']:
            name, module, function = re.split(r'\s*[=:]\s*', entry)
            script = self.folder / 'bin' / name
            # Started by sh, as a Python in a "#!" line may have neither a long path nor spaces.
            # Processes that it starts import it, too, under another name than __main__.
            script.write_text(
                '#!/bin/sh\n'
                f"'''exec' \"{self.python}\" \"$0\" \"$@\"\n' '''\n"
                f'import sys\nfrom {module} import {function}\n'
                f'if __name__ == "__main__":\n    sys.exit({function}())\n')
            script.chmod(0o755)


def _run_pip(command: Sequence[str], variables: Mapping[str, str], log: IO[str]) -> int:
    """Run pip, log all it says, show the user what takes time, and return the exit status."""
    process = subprocess.Popen(command, env=dict(variables), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    seen = 0
    for raw in process.stdout:
        line = raw.decode(errors='replace')
        log.write(line)
        words = line.split()
        if words[:1] == ['Collecting']:
            seen += 1
            if seen % 25 == 0:
                say(f'  {seen} packages looked up')
        elif words[:1] == ['Downloading'] and re.search(r'\d{2,}(\.\d+)? [MG]B', line):
            say('  ' + re.sub(r'\S*/', '', line.strip()))
        elif line.startswith('Installing collected packages'):
            say(f'  unpacking {line.count(",") + 1} packages')
    process.stdout.close()
    return process.wait()


def _pip_advice(lines: Sequence[str]) -> str:
    text = '\n'.join(lines)
    for pattern, advice in _ADVICE:
        match = re.search(pattern, text)
        if match:
            return advice.format(**match.groupdict())
    return 'Run the same command again; what was downloaded is kept.'


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='bootstrap.py', usage='bootstrap.py [--python PYTHON] NAME[,NAME...] [-- COMMAND]',
        description='Make .venv ready, then run a command in it, with the variables of ROS.')
    parser.add_argument('requirements', type=lambda text: text.split(','), metavar='NAME',
                        help='files of requirements/, without .txt')
    parser.add_argument('--python', default='', help='the Python to make .venv with')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the program; return the exit status where no command takes over."""
    end = arguments.index('--') if '--' in arguments else len(arguments)
    args = _parse(arguments[:end])
    command = arguments[end + 1:]
    root = Path(__file__).resolve().parent.parent
    environment = Environment(root, sourced_ros(os.environ))
    try:
        with open(__file__) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            environment.prepare(args.requirements, args.python)
    except Problem as problem:
        print(f'[bootstrap] {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\n[bootstrap] interrupted; the same command goes on', file=sys.stderr)
        return 130
    if command:
        program = str(environment.folder / 'bin' / command[0])
        os.execve(program, [program, *command[1:]], environment.variables(os.environ))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
