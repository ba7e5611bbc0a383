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
The bundle is installed into a computer that systemd runs, and the node lives there as its service.

The computer is this one seen through an overlay, with processes, cgroups and network of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from odd_bundles import write_hanging_bundle
from stand_ins import HERE

from scripts.vehicle_bundle import make_bundle
from scripts.vehicle_wheels import Target

ROOT = Path(__file__).resolve().parents[2]
MANAGER = Path('/lib/systemd/systemd')
PYTHON = Path('/usr/bin/python3')
PATHS = '/usr/sbin:/usr/bin:/sbin:/bin'
FRM = '/opt/frm_perception/bin/frm'
CURRENT = '/var/lib/frm_perception/models/current'
DEADLINE_S = 120.0

BOOT = """
mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/root" && root="$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc" && mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev" && mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/run"
rm -rf "$root"/etc/systemd/system/* "$root"/opt/frm_perception "$root"/etc/frm_perception
mkdir "$root/garage" && mount --bind "$2" "$root/garage"
printf '[Unit]\nRequires=systemd-journald.service\n' > "$root/etc/systemd/system/test.target"
ip link set lo up && ip link set lo multicast on && ip route add 224.0.0.0/4 dev lo
exec chroot "$root" env -i container=test PATH="$3" /lib/systemd/systemd --system \
    --unit=test.target --log-target=null --show-status=no
"""
CAMERA = """
import sys, time
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('camera_driver')
answers = []
node.create_subscription(Image, 'camera/segmentation/label', answers.append, 10)
publisher = node.create_publisher(Image, 'camera/image_raw', qos_profile_sensor_data)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end and not (sys.argv[3:] and len(answers) >= int(sys.argv[3])):
    image = Image(height=32, width=48, step=48, encoding='mono8')
    image.data = bytes([int(sys.argv[1])]) * (32 * 48)
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)
    rclpy.spin_once(node, timeout_sec=0.1)
print(len(answers))
"""


def _cgroup_folder() -> Path | None:
    """Return this process' folder in the tree of cgroup 2, if there is one that can be written."""
    mounts = [line.split() for line in Path('/proc/mounts').read_text().splitlines()]
    tops = [Path(mount[1]) for mount in mounts if mount[2] == 'cgroup2']
    own = [line[3:] for line in Path('/proc/self/cgroup').read_text().splitlines()
           if line.startswith('0::')]
    if not tops or not own:
        return None
    folder = tops[0] / own[0].lstrip('/')
    return folder if os.access(folder, os.W_OK) else None


pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    os.geteuid() != 0 or not MANAGER.exists() or _cgroup_folder() is None
    or shutil.which('ip') is None or HERE.machine != 'x86_64',
    reason='needs root, x86-64, systemd, iproute2 and cgroup 2')]


class Computer:
    """
    A computer that systemd runs.

    :param folder: empty, for what it writes.
    :param garage: what is seen there as /garage.
    """

    def __init__(self, folder: Path, garage: Path) -> None:
        above = _cgroup_folder()
        assert above is not None
        self._cgroup = above / f'frm_perception_test_{os.getpid()}'
        self._cgroup.mkdir()
        self._process = subprocess.Popen(
            ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec unshare --mount --pid --fork '
             '--kill-child --cgroup --uts --ipc --net --propagation private sh -ec "$@"',
             self._cgroup, BOOT, 'sh', folder, garage, PATHS],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._manager = 0
        wait_until(self._has_booted, 'a running systemd')

    def _has_booted(self) -> bool:
        if self._process.poll() is not None:
            assert self._process.stdout is not None
            pytest.skip(f'no computer can be made of this one: {self._process.stdout.read()}')
        children = Path(f'/proc/{self._process.pid}/task/{self._process.pid}/children')
        for child in children.read_text().split():
            if os.readlink(f'/proc/{child}/exe').endswith('systemd'):
                self._manager = int(child)
                return self.run('systemctl', 'is-active', 'test.target').returncode == 0
        return False

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root."""
        return subprocess.run(
            ['nsenter', '-t', str(self._manager), '-a', '-r', '--wd=/', 'env', '-i', '-C', '/',
             f'PATH={PATHS}', *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)

    def said(self, *command: str) -> str:
        """Run a command that succeeds; return what it said."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def shown(self, name: str) -> str:
        """Return a property of the node's unit."""
        return self.said('systemctl', 'show', 'frm-segmenter', '-P', name)

    def camera(self, user: str, brightness: int, seconds: float, enough: int) -> int:
        """Send images until so many are answered, or for so long; return the answers."""
        said = self.said(
            'runuser', '-u', user, '--', 'env', f'ROS_LOG_DIR=/tmp/log-{user}', 'sh', '-c',
            '. /opt/frm_perception/setup.sh && exec '
            f'/opt/frm_perception/current/venv/bin/python -c "$0" {brightness} {seconds} {enough}',
            CAMERA)
        return int(said.splitlines()[-1])

    def close(self) -> None:
        """End it with everything that runs there."""
        if self._manager:
            os.kill(self._manager, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        wait_until(self._has_gone, 'an empty cgroup')

    def _has_gone(self) -> bool:
        """Remove the cgroups from within, once no process is in any."""
        try:
            for path, _, _ in os.walk(self._cgroup, topdown=False):
                os.rmdir(path)
        except OSError:
            return False
        return True


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f'waited {DEADLINE_S} s for {what}'
        time.sleep(0.2)


@pytest.fixture
def computer(tmp_path: Path) -> Iterator[Computer]:
    """Return a computer with the bundle of this checkout in its garage."""
    python = subprocess.run(
        [PYTHON, '-c', 'import sys; print("%d.%d" % sys.version_info[:2])'],
        stdout=subprocess.PIPE, text=True).stdout.strip()
    tarball = make_bundle(ROOT, Target(HERE.machine, python), [], tmp_path / 'out',
                          allow_modified=True)
    garage = tmp_path / 'garage'
    with tarfile.open(tarball) as archive:
        archive.extractall(garage)
    next(garage.iterdir()).rename(garage / 'bundle')
    tarball.unlink()
    (tmp_path / 'computer').mkdir()
    tmp_path.chmod(0o755)
    running = Computer(tmp_path / 'computer', garage)
    yield running
    running.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_the_node_is_installed_answers_is_watched_and_is_started_again(
        computer: Computer, tmp_path: Path) -> None:
    said = computer.said('sh', '-c', 'cd /garage/bundle && ./install.sh --with-ros-wheels')
    assert 'installed for systemd: frm-segmenter.service' in said
    model = write_hanging_bundle(tmp_path / 'garage' / 'models')
    computer.said(FRM, 'model', 'install', f'/garage/models/{model.name}')
    computer.said('sed', '-i', f's#model_dir: .*#model_dir: {CURRENT}#',
                  '/etc/frm_perception/segmenter.yaml')
    # As a site would change it: the watchdog is not to take long here.
    computer.said('sh', '-c', 'mkdir /etc/systemd/system/frm-segmenter.service.d && printf '
                  '"[Service]\\nWatchdogSec=6\\n" > $0/short.conf && systemctl daemon-reload',
                  '/etc/systemd/system/frm-segmenter.service.d')
    computer.said('systemctl', 'enable', '--now', 'frm-segmenter')
    wait_until(lambda: computer.shown('StatusText').startswith('active; '), 'its status')
    process = computer.shown('MainPID')
    owner = computer.said('stat', '-c', '%U', f'/proc/{process}')
    assert owner == 'frm'
    assert computer.said(FRM, 'health').endswith('is healthy')

    dark, bright = 90, 250
    assert computer.camera('frm', dark, DEADLINE_S, enough=5) >= 5
    assert computer.camera('nobody', dark, 20.0, enough=1) == 0  # see docs/vehicle.md
    assert 'or run as nobody' in computer.said('journalctl', '-u', 'frm-segmenter', '--no-pager')
    assert computer.shown('NRestarts') == '0'
    computer.camera('frm', bright, 12.0, enough=1)
    wait_until(lambda: computer.shown('NRestarts') == '1', 'a bite of the watchdog')
    wait_until(lambda: computer.shown('ActiveState') == 'active', 'a node that is started again')
    journal = computer.said('journalctl', '-u', 'frm-segmenter', '--no-pager')
    assert 'Fatal Python error: Aborted' in journal  # and where each thread was
    assert computer.camera('frm', dark, DEADLINE_S, enough=5) >= 5

    computer.said('systemctl', 'kill', '--signal=KILL', '--kill-who=main', 'frm-segmenter')
    wait_until(lambda: computer.shown('NRestarts') == '2', 'another start')
    wait_until(lambda: computer.shown('ActiveState') == 'active', 'a node that is started again')
    computer.said('systemctl', 'stop', 'frm-segmenter')
    assert computer.shown('Result') == 'success'
