#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A QEMU host's console is whole, even if run-host is late: stop it while the kernel logs."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LINES = 600
LOG = (f'echo go; i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo "<4>line $i of many" '
       '>/dev/kmsg; done')


def lines_kept():
    """How many of the lines that the host logs are on its console."""
    with tempfile.NamedTemporaryFile(prefix='vmm-console-') as log:
        # run-host types on the console from the second second on.
        argv = [os.path.join(HERE, 'run-host'), 'svm', '--no-vmm', '--timeout', '120',
                '--console-log', log.name, '--', 'sleep 2; ' + LOG]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as host:
            if b'go' not in host.stdout.readline():
                return 0
            host.send_signal(signal.SIGSTOP)
            time.sleep(3)
            host.send_signal(signal.SIGCONT)
            host.stdout.read()
        with open(log.name, encoding='utf-8', errors='replace') as f:
            return len(set(re.findall(r'line (\d+) of many', f.read())))


def main():
    kept = lines_kept()
    print('1..1')
    if kept != LINES:
        print(f'# {kept} of {LINES} lines')
    print(f'{"ok" if kept == LINES else "not ok"} 1 - console.late_reader')
    return kept != LINES


if __name__ == '__main__':
    sys.exit(main())
