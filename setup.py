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
"""How colcon and pip install the package; what it depends on is in package.xml."""

from pathlib import Path

from setuptools import find_packages
from setuptools import setup

NAME = 'frm_perception'
SHARE = f'share/{NAME}'
FOLDERS = ('launch', 'config', 'models')


def shared_files() -> list[tuple[str, list[str]]]:
    """Return the files of FOLDERS for `data_files`, one entry a folder: it knows no recursion."""
    files: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted(Path(folder).rglob('*')):
            if path.is_file() and '__pycache__' not in path.parts:
                files.setdefault(f'{SHARE}/{path.parent}', []).append(str(path))
    return list(files.items())


setup(
    name=NAME,
    version='0.1.0',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'evaluation/report/templates/*', 'runtime/doctor/*.onnx']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        *shared_files(),
    ],
    install_requires=['setuptools'],
    zip_safe=True,
    maintainer='frm_perception maintainers',
    maintainer_email='maintainers@frm-perception.example',
    description=(
        'Semantic segmentation of roads for vehicles: a ROS 2 lifecycle node and its model.'),
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'segmenter = frm_perception.ros.segmenter:main',
            'frm = frm_perception.cli.main:main',
        ],
    },
)
