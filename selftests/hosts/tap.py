# SPDX-License-Identifier: GPL-2.0
"""Read TAP and KTAP, nested or not, and count."""

import re
from dataclasses import dataclass

PASS, FAIL, SKIP = 'pass', 'fail', 'skip'

TIMESTAMP = re.compile(r'^(<\d+>)?\[ *\d+\.\d+\]( ?\[[^]]*\])? ')
RESULT = re.compile(r'^( *)(not ok|ok) (\d+)(?: -)?(?: (.*))?$')
PLAN = re.compile(r'^( *)1\.\.(\d+)')
FIGURE = re.compile(r'^ *# figure (\d+) (.+)$', re.M)
SUBTEST = re.compile(r'^ *# Subtest: ')


@dataclass
class Case:
    """One case: its full name, what became of it, and why."""
    name: str
    result: str
    why: str = ''


class _Level:
    def __init__(self):
        self.plan = None
        self.seen = 0
        self.first = None
        self.cases = []


def _result(word, text):
    """(name, result, why) from the rest of a result line."""
    name, _, directive = (text or '').partition(' # ')
    kind = directive.split(' ')[0].upper()
    why = directive.partition(' ')[2]
    if kind.startswith('SKIP'):
        return name, SKIP, why
    if kind == 'TODO' and word == 'not ok':
        return name, SKIP, 'known: ' + why
    return name, PASS if word == 'ok' else FAIL, ''


def figures(text):
    """{what: how many} of the lines "# figure 12 VMs killed" in text."""
    found = {}
    for number, what in FIGURE.findall(text):
        found[what] = found.get(what, 0) + int(number)
    return found


def parse(text, need_plan=True):
    """The cases in text. What is wrong with the protocol itself is a failed case."""
    levels = [_Level()]
    comments = []

    def close(depth, name):
        """End the levels deeper than depth; their cases get name in front."""
        cases = []
        while len(levels) > depth + 1:
            level = levels.pop()
            if level.plan is not None and level.plan != level.seen:
                level.cases.append(Case('plan', FAIL, f'{level.seen} of {level.plan} ran'))
            cases = level.cases + cases
        return [Case(f'{name}.{c.name}' if name else c.name, c.result, c.why) for c in cases]

    for line in text.splitlines():
        line = TIMESTAMP.sub('', line.rstrip('\r'))
        plan = PLAN.match(line)
        if plan or SUBTEST.match(line):
            depth = (len(line) - len(line.lstrip())) // 4
            while len(levels) <= depth:
                levels.append(_Level())
            if plan:
                levels[depth].plan = int(plan[2])
            continue
        m = RESULT.match(line)
        if not m:
            if line.lstrip().startswith('# '):
                comments.append(line.strip()[2:])
            continue
        depth = len(m[1]) // 4
        name, result, why = _result(m[2], m[4])
        nested = len(levels) > depth + 1
        inner = close(depth, name)
        while len(levels) <= depth:
            levels.append(_Level())
        level = levels[depth]
        level.seen += 1
        # Without a plan on top, only the numbers tell that a suite is missing there; KUnit goes on
        # counting from one module to the next.
        level.first = level.first or (1 if depth else int(m[3]))
        if (depth or not need_plan) and int(m[3]) != level.first + level.seen - 1:
            inner.append(Case(f'{name}.number', FAIL, f'{m[3]} came as number '
                              f'{level.first + level.seen - 1}'))
        if not nested:
            if result == FAIL:
                why = '; '.join(comments[-8:])
            inner.append(Case(name, result, why))
        elif result == FAIL and not any(c.result == FAIL for c in inner):
            inner.append(Case(name, FAIL, 'the suite failed, though none of its cases did'))
        level.cases += inner
        comments = []

    rest = close(0, '')
    top = levels[0]
    cases = top.cases + rest
    if rest:
        cases.append(Case('end', FAIL, 'the output ends inside a suite'))
    if top.plan is not None and top.plan != top.seen:
        cases.append(Case('plan', FAIL, f'{top.seen} of {top.plan} ran'))
    if top.plan is None and need_plan:
        cases.append(Case('plan', FAIL, 'there is no plan line'))
    return cases
