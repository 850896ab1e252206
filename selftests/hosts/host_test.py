#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A QEMU host stays whole on a machine that is late with everything."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import emulators  # noqa: E402

LINES = 600
LOG = (f'echo go; i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo "<4>line $i of many" '
       '>/dev/kmsg; done')


def start(command, log):
    """run-host with command; its console goes to log in the end."""
    argv = [os.path.join(HERE, 'run-host'), 'svm', '--no-vmm', '--timeout', '400',
            '--console-log', log, '--', command]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def console():
    """Whoever reads the console may be late: how many of the lines logged meanwhile are there."""
    with tempfile.NamedTemporaryFile(prefix='vmm-console-') as log:
        # run-host types on the console from the second second on.
        with start('sleep 3; ' + LOG, log.name) as host:
            if b'go' not in host.stdout.readline():
                return 'the host does not start'
            host.send_signal(signal.SIGSTOP)
            time.sleep(5)
            host.send_signal(signal.SIGCONT)
            host.stdout.read()
        with open(log.name, encoding='utf-8', errors='replace') as f:
            kept = len(set(re.findall(r'line (\d+) of many', f.read())))
    return '' if kept == LINES else f'{kept} of {LINES} lines'


def clock():
    """Linux must not have to find out how fast the TSC is: it errs if the emulator is late then."""
    with tempfile.NamedTemporaryFile(prefix='vmm-console-') as log:
        with start('dmesg | grep "tsc: Detected"', log.name) as host:
            said = host.stdout.read().decode(errors='replace')
    found = re.search(r'Detected ([\d.]+) MHz', said)
    if not found:
        return 'the host does not start'
    ratio = float(found[1]) * 1000 / emulators.tsc_khz()
    return '' if abs(ratio - 1) < 0.001 else f'{ratio} times as fast as the TSC is'


def main():
    cases = (console, clock)
    print(f'1..{len(cases)}')
    failed = 0
    for n, case in enumerate(cases, 1):
        why = case()
        if why:
            print('# ' + why)
        print(f'{"not ok" if why else "ok"} {n} - host.{case.__name__}', flush=True)
        failed += bool(why)
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())
