#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the parser must not overlook."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402


def brief(text, **kw):
    return [(c.name, c.result) for c in tap.parse(text, **kw)]


KUNIT = '''[    1.000000]     # Subtest: slots
[    1.000000]     1..2
[    1.000000]     ok 1 - add
[    1.000000]     # move: EXPECTATION FAILED at x.c:1
[    1.000000]     not ok 2 - move
[    1.000000] # slots: pass:1 fail:1 skip:0 total:2
[    1.000000] not ok 1 - slots
[    1.000000]     # Subtest: pic
[    1.000000]     1..1
[    1.000000]         # Subtest: modes
[    1.000000]         ok 1 - edge
[    1.000000]         ok 2 - level # SKIP no need
[    1.000000]     ok 1 - modes
[    1.000000] ok 2 - pic
'''


class Tap(unittest.TestCase):
    def test_kunit(self):
        self.assertEqual(brief(KUNIT, need_plan=False), [
            ('slots.add', 'pass'), ('slots.move', 'fail'),
            ('pic.modes.edge', 'pass'), ('pic.modes.level', 'skip')])

    def test_case_lost(self):
        text = KUNIT.replace('[    1.000000]         ok 1 - edge\n', '')
        self.assertIn(('pic.modes.level.number', 'fail'), brief(text, need_plan=False))

    def test_suite_lost(self):
        text = KUNIT + '[    1.000000] ok 4 - pit\n'
        self.assertEqual(brief(text, need_plan=False)[-2:],
                         [('pit.number', 'fail'), ('pit', 'pass')])

    def test_suites_begin_anywhere(self):
        text = '    # Subtest: s\n    1..1\n    ok 1 - a\nok 7 - s\nok 8 - t\n'
        self.assertEqual(brief(text, need_plan=False), [('s.a', 'pass'), ('t', 'pass')])

    def test_flat(self):
        self.assertEqual(brief('TAP version 13\n1..3\nok 1 - a\nnot ok 2 - b # TODO tcg\n'
                               'ok 3 - c # SKIP x\n'),
                         [('a', 'pass'), ('b', 'skip'), ('c', 'skip')])

    def test_short(self):
        self.assertEqual(brief('1..2\nok 1 - a\n'), [('a', 'pass'), ('plan', 'fail')])

    def test_figures(self):
        self.assertEqual(tap.figures('# figure 2 VMs killed\nok 1 - figure 3 VMs\n'
                                     '    # figure 5 VMs killed\n# figures 1 x\n'),
                         {'VMs killed': 7})

    def test_no_plan(self):
        self.assertEqual(brief('ok 1 - a\n'), [('a', 'pass'), ('plan', 'fail')])

    def test_nothing(self):
        self.assertEqual(brief(''), [('plan', 'fail')])
        self.assertEqual(brief('', need_plan=False), [])

    def test_suite_cut_short(self):
        text = '    # Subtest: s\n    1..2\n    ok 1 - a\n'
        self.assertIn(('end', 'fail'), brief(text, need_plan=False))

    def test_suite_short_of_cases(self):
        text = '    # Subtest: s\n    1..2\n    ok 1 - a\nok 1 - s\n'
        self.assertIn(('s.plan', 'fail'), brief(text, need_plan=False))

    def test_suite_fails_alone(self):
        text = '    # Subtest: s\n    1..1\n    ok 1 - a\nnot ok 1 - s\n'
        self.assertIn(('s', 'fail'), brief(text, need_plan=False))


class TapResult(unittest.TestResult):
    """unittest's results as TAP."""

    def _line(self, test, word, why=''):
        print(f'{word} {self.testsRun} - tap.{test._testMethodName}')
        for line in why.splitlines():
            print('# ' + line)

    def addSuccess(self, test):
        self._line(test, 'ok')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._line(test, 'not ok', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._line(test, 'not ok', self.errors[-1][1])


if __name__ == '__main__':
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tap)
    print(f'1..{suite.countTestCases()}')
    sys.exit(not suite.run(TapResult()).wasSuccessful())
