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
"""``frm bag replay``: publish a recording over DDS, and evaluate the running node on it."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from frm_perception.cli.arguments import node_name
from frm_perception.cli.arguments import positive
from frm_perception.cli.bag_evaluate import DAMAGED
from frm_perception.cli.drive_arguments import add_drive_arguments
from frm_perception.cli.drive_arguments import drive_options

if TYPE_CHECKING:
    from frm_perception.media.bag_reader import Recording
    from frm_perception.ros.replay.replay import Options


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        'replay', help='publish a bag over ROS 2, and evaluate the running node on it',
        description='Publishes images, camera infos and what else of a bag can be published, with '
                    '/clock, once somebody listens. Status 0: all was played; 3: all that can be '
                    'read, but the bag is damaged; 2: the options make no sense; 1: it failed. '
                    'docs/bags.md says more.')
    parser.add_argument('bag', type=Path, metavar='BAG',
                        help='a folder, or a file of MCAP, sqlite3 or ROS 1')
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument('--rate', type=_rate, default=1.0, metavar='X',
                      help='times as fast as it was recorded (default: %(default)s)')
    pace.add_argument('--as-answered', action='store_true',
                      help='as fast as the node answers: the next image of a camera goes out when '
                           'it has answered the one before, or has counted it under a reason')
    parser.add_argument('--loop', action='store_true', help='again and again, until Ctrl-C')
    parser.add_argument('--start', type=_seconds, default=0.0, metavar='S',
                        help='leave out so many seconds at the beginning')
    parser.add_argument('--duration', type=positive, metavar='S',
                        help='play so many seconds of the bag (default: all)')
    parser.add_argument('--topics', nargs='+', default=(), metavar='TOPIC',
                        help='play these (default: all that can be published, but for what a '
                             'segmenter published when the bag was recorded)')
    parser.add_argument('--remap', nargs='+', type=_rule, default=(), metavar='OLD:=NEW',
                        help='play topics under other names')
    parser.add_argument('--clock', type=_seconds, default=200.0, metavar='HZ',
                        help='messages a second on /clock; 0: none (default: %(default)s)')
    parser.add_argument('--wait', type=positive, default=20.0, metavar='S',
                        help='wait so long for those who listen (default: %(default)s)')
    node = parser.add_argument_group(
        'the segmenter', 'Asked for its answers and counts with --as-answered and --evaluate.')
    node.add_argument('--node', type=node_name, default='/segmenter', metavar='NAME',
                      help='its full name (default: %(default)s)')
    node.add_argument('--answer-timeout', type=positive, default=10.0, metavar='S',
                      help='wait so long for the answer to an image (default: %(default)s)')
    live = parser.add_argument_group(
        'live evaluation', 'What the running node answers is evaluated as `frm bag evaluate` does '
                           'with a model, and with it what became of every image.')
    live.add_argument('--evaluate', type=Path, metavar='RUN',
                      help='write report.json and all that belongs to it into this folder')
    live.add_argument('--restart', action='store_true',
                      help='forget what an earlier run left in the folder')
    live.add_argument('--late', type=positive, metavar='MS',
                      help="an answer is late after so many milliseconds (default: the node's "
                           'deadline_ms)')
    add_drive_arguments(live)
    # Messages of what commands have in common begin with it.
    parser.set_defaults(run=run, command='bag replay')


def run(args: argparse.Namespace) -> int:
    """Play; return the exit status that the help explains."""
    from frm_perception.media.bag_reader import Recording
    from frm_perception.media.files import MediaError
    from frm_perception.ros.replay.participant import ReplayError
    if args.evaluate and args.loop:
        return _fail('--evaluate plays the bag once: leave out --loop', 2)
    try:
        recording = Recording(args.bag)
        if args.evaluate:
            _evaluate(args, recording)
        else:
            _play(args, recording)
    except (MediaError, ReplayError, OSError) as error:
        return _fail(str(error), 1)
    except ValueError as error:
        return _fail(str(error), 2)
    for damage in recording.damage:
        _say(f'warning: {recording.path}: {damage}')
    return DAMAGED if recording.damage else 0


def _play(args: argparse.Namespace, recording: Recording) -> None:
    from frm_perception.ros.replay.participant import Participant
    from frm_perception.ros.replay.replay import Replay
    with Participant() as participant:
        replay = Replay(participant, recording, _options(args), None)
        for line in replay.find_listeners():
            _say(line)
        for line in replay.play():
            print(line, flush=True)


def _evaluate(args: argparse.Namespace, recording: Recording) -> None:
    from frm_perception.evaluation.drive.run_folder import RunFolder
    from frm_perception.evaluation.drive.summary import summary
    from frm_perception.ros.replay.live import evaluate_live
    report = evaluate_live(
        recording, _options(args), partial(drive_options, args), RunFolder(args.evaluate),
        args.restart, args.late, _say)
    print(f'{summary(report)}\n\nAll of it is in {args.evaluate}, to look at in report.html')


def _options(args: argparse.Namespace) -> Options:
    from frm_perception.ros.replay.replay import Options
    return Options(
        topics=args.topics, names=dict(args.remap), start_s=args.start, duration_s=args.duration,
        rate=None if args.as_answered else args.rate, loop=args.loop, clock_hz=args.clock,
        wait_s=args.wait, node=args.node, answer_timeout_s=args.answer_timeout)


def _rule(text: str) -> tuple[str, str]:
    old, _, new = text.partition(':=')
    if not old or not new:
        raise argparse.ArgumentTypeError(f'{text!r} is not OLD:=NEW')
    return old, new


def _rate(text: str) -> float:
    value = positive(text)
    if math.isinf(value):
        raise argparse.ArgumentTypeError(f'{text!r} is no rate; --as-answered is the fastest')
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not (0 <= value and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f'{text!r} is not 0 or more')
    return value


def _say(line: str) -> None:
    print(f'frm bag replay: {line}', file=sys.stderr, flush=True)


def _fail(error: str, status: int) -> int:
    _say(error)
    return status
