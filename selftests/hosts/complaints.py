# SPDX-License-Identifier: GPL-2.0
"""What a kernel's log must not contain after a test, and taint that is no news."""

import re

PATTERN = re.compile('|'.join((
    r'\bBUG[: ]', r'WARNING:', r'KASAN', r'UBSAN', r'Oops', r'kernel BUG at', r'Kernel panic',
    r'Call Trace', r'general protection fault', r'unable to handle',
    r'possible circular locking', r'possible recursive locking', r'possible irq lock inversion',
    r'inconsistent lock state', r'inconsistent \{.*\} -> ', r'suspicious RCU usage',
    r'held lock freed', r'still has locks held', r'lock held when returning to user space',
    r'bad unlock balance', r'trying to register non-static key', r'INFO: lockdep',
    r'Invalid wait context', r'sleeping function called', r'scheduling while atomic',
    r'ODEBUG:', r'unreferenced object', r'refcount_t:', r'list_(add|del) corruption',
    r'detected stalls? on', r'self-detected stall', r'stall on CPU', r'rcu.*detected.*stall',
    r'soft lockup', r'hard LOCKUP', r'blocked for more than', r'unchecked MSR access',
    r'bad page state', r'Bad rss-counter', r'SLUB.*(overwritten|poison)', r'NULL pointer',
)))

# Out-of-tree (O), unsigned (E), and N: KUnit has run.
HARMLESS_TAINT = 1 << 12 | 1 << 13 | 1 << 18
TAINT_LETTERS = 'PFSRMBUDAWCIOELKXTN'


# The report of an allocation that failed has a trace below it.
STARVED = re.compile(r'invoked oom-killer|vmalloc error: size|page allocation failure: order')


def find(log, starved=False):
    """The lines of log that complain; starved: but for allocations that failed."""
    found = []
    reported = False
    for line in log.splitlines():
        if starved and STARVED.search(line):
            reported = True
        elif reported and 'Call Trace' in line:
            reported = False
        elif PATTERN.search(line):
            found.append(line)
    return found


def taint_letters(value):
    """The bits of /proc/sys/kernel/tainted that should not be there, as letters."""
    value &= ~HARMLESS_TAINT
    return ''.join(c for i, c in enumerate(TAINT_LETTERS) if value >> i & 1)
