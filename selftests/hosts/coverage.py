#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which lines of kmod/ have run, by room: what run-host left in a folder, summed up.

  coverage.py [-l] FOLDER

-l also names the lines that never ran. The exit status is 1 below the goal, or if there is
nothing to read.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# Where the objects' graphs are, which the compiler wrote.
OBJECTS = os.path.join(TOP, 'build/slim-coverage/module')
GOAL = 85
# What is there to test is not what is tested.
NOT_COUNTED = ('tests',)


def objects(folder):
    """The objects below folder that have counters, as paths without an ending."""
    for where, _, files in os.walk(folder):
        for name in files:
            if name.endswith('.gcda'):
                yield os.path.relpath(os.path.join(where, name[:-5]), folder)


def source(path):
    """path below the tree's top, or None if it is not one of the module's."""
    m = re.search(r'(?:^|/)(kmod/.*)$', path)
    return m[1] if m and os.path.exists(os.path.join(TOP, m[1])) else None


def read_run(folder, lines):
    """Add the counts of one run to lines: {file: {line: count}}."""
    with tempfile.TemporaryDirectory() as work:
        names = []
        for name in objects(folder):
            graph = os.path.join(OBJECTS, name + '.gcno')
            if not os.path.exists(graph):
                continue
            os.makedirs(os.path.join(work, os.path.dirname(name)), exist_ok=True)
            os.symlink(graph, os.path.join(work, name + '.gcno'))
            os.symlink(os.path.join(os.path.abspath(folder), name + '.gcda'),
                       os.path.join(work, name + '.gcda'))
            names.append(name + '.gcda')
        if not names:
            return
        done = subprocess.run(['gcov', '--json-format', '--stdout', *names], cwd=work, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for text in done.stdout.splitlines():
        for entry in json.loads(text)['files']:
            path = source(entry['file'])
            if not path:
                continue
            counts = lines.setdefault(path, {})
            for line in entry['lines']:
                n = line['line_number']
                counts[n] = counts.get(n, 0) + line['count']


def room(path):
    """The folder of kmod/ that a file is in; kmod itself has files too."""
    parts = path.split('/')
    return parts[1] if len(parts) > 2 else 'kmod'


def row(name, ran, all_lines):
    """One line of the table."""
    return f'{name:10} {all_lines:7} {ran:7} {100 * ran / all_lines:6.1f}%'


def ranges(numbers):
    """Numbers as text, neighbours joined."""
    out = []
    for n in sorted(numbers):
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ' '.join(str(a) if a == b else f'{a}-{b}' for a, b in out)


def count(folder):
    """{file: {line: how often it ran}} of the runs in folder."""
    lines = {}
    for run in sorted(os.listdir(folder)):
        read_run(os.path.join(folder, run), lines)
    return lines


def by_room(lines):
    """{room: [lines that ran, all]}, and of them all."""
    rooms = {}
    for path, counts in lines.items():
        if room(path) not in NOT_COUNTED:
            sums = rooms.setdefault(room(path), [0, 0])
            sums[0] += sum(c > 0 for c in counts.values())
            sums[1] += len(counts)
    return rooms, [sum(s[i] for s in rooms.values()) for i in (0, 1)]


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('-l', '--lines', action='store_true', help='name the lines that never ran')
    p.add_argument('folder')
    args = p.parse_args()

    lines = count(args.folder)
    rooms, total = by_room(lines)
    if not rooms:
        sys.exit(f'coverage: nothing has run: {args.folder} has no counters of {OBJECTS}')

    if args.lines:
        for path, counts in sorted(lines.items()):
            never = [n for n, c in counts.items() if not c]
            if never and room(path) not in NOT_COUNTED:
                print(f'{path}: {ranges(never)}')
    print(f'{"room":10} {"lines":>7} {"ran":>7}')
    for name, sums in sorted(rooms.items()):
        print(row(name, *sums))
    print(row('all', *total))
    return 100 * total[0] < GOAL * total[1]


if __name__ == '__main__':
    sys.exit(main())
