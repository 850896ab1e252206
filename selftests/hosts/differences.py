# SPDX-License-Identifier: GPL-2.0
"""Compare the abi tests' results on vmm.ko with those on in-tree KVM.

A difference has to be explained in Documentation/differences.rst by a line
  .. difference: TEST: REASON
  .. difference: TEST [HOST]: REASON
of which the second speaks of one host only, and such a line has to belong to a difference.
"""

import re

from tap import Case, FAIL, PASS, SKIP

LINE = re.compile(r'^\.\. difference: ([^:\s]+)(?: \[(\w+)\])?: (\S.*)$', re.M)
# Cases about the run, not about the interface.
NOT_TESTS = ('host stays clean', 'plan', 'end', 'exit')


def explained(path, host):
    """{test: reason} from the document."""
    try:
        with open(path, encoding='utf-8') as f:
            return {test: why for test, where, why in LINE.findall(f.read()) if where in ('', host)}
    except FileNotFoundError:
        return {}


def _outcome(case):
    """pass, fail or skip; a failure that the test itself foresees is a failure."""
    if case is None:
        return 'absent'
    if case.result == SKIP and case.why.startswith('known: '):
        return FAIL
    return case.result


def _one(name, ours, theirs, reason):
    a, b = _outcome(ours), _outcome(theirs)
    if a == b:
        if reason:
            return Case(name, FAIL, 'is explained in differences.rst, but does not differ')
        if a == FAIL:
            known = ours.result == SKIP and theirs.result == SKIP
            return Case(name, SKIP if known else FAIL,
                        ours.why if known else 'fails on both: is the test right?')
        return Case(name, a, theirs.why)
    if not reason:
        return Case(name, FAIL, f'ours: {a}, in-tree: {b}; not explained in differences.rst')
    return Case(name, PASS)


def unexplained_failures(ours, theirs, reasons):
    """The tests that only in-tree KVM fails, and nobody says why."""
    passed = {c.name for c in ours if _outcome(c) == PASS}
    return [c.name for c in theirs if c.name in passed and c.name not in reasons
            and c.name not in NOT_TESTS and _outcome(c) == FAIL]


def compare(ours, theirs, reasons, names):
    """Print the table of differences; return one case per test.

    Reasons have to be about names, the tests there are; None leaves that unasked.
    """
    left = {c.name: c for c in ours if c.name not in NOT_TESTS}
    right = {c.name: c for c in theirs if c.name not in NOT_TESTS}
    rows = [(n, _outcome(left.get(n)), _outcome(right.get(n)), reasons.get(n, '?'))
            for n in left | right if _outcome(left.get(n)) != _outcome(right.get(n))]
    print(f'{"test":<40} {"ours":<7} {"in-tree":<8} why')
    for row in rows:
        print('{:<40} {:<7} {:<8} {}'.format(*row))
    if not rows:
        print('(no differences)')
    cases = [_one(n, left.get(n), right.get(n), reasons.get(n)) for n in left | right]
    cases += [Case(n, FAIL, 'is explained in differences.rst, but there is no such test')
              for n in reasons if names is not None and n not in names]
    # In-tree KVM may complain of the emulator; not to run to the end is another matter.
    return cases + [c for c in ours if c.name in NOT_TESTS] + \
        [c for c in theirs if c.name in NOT_TESTS and c.name != 'host stays clean']
