# SPDX-License-Identifier: GPL-2.0
"""Linux's own KVM selftests on in-tree KVM and on vmm.ko: what the one passes, so must the other.

What vmm.ko leaves out on purpose is in the file "exceptions".
"""

import os
import re
import subprocess

import kernels
from tap import Case, FAIL, PASS, SKIP

HERE = os.path.dirname(os.path.abspath(__file__))
FEATURES = ('nested', 'sev', 'hyperv', 'xen', 'pmu', 'smm')
LIMIT = 180     # seconds for one test on svm
MEMORY = {'svm': '3G', 'svm2': '3G', 'vmx': '1536M'}
# Less memory and fewer rounds than by default, which emulators take minutes for.
ARGS = {
    'demand_paging_test': '-b 64M',
    'dirty_log_perf_test': '-b 64M',
    'dirty_log_test': '-i 4 -M dirty-log',
    'kvm_page_table_test': '-b 64M',
    'memslot_modification_stress_test': '-b 64M -i 5',
    'memslot_perf_test': '-l 1 -e 1',
    # More than what it waits for an IPI, which the script "build" makes five seconds.
    'xapic_ipi_test': '-s 15',
}
# And of those that are still too much on the debug kernel, where each slot takes its time.
DEBUG_ARGS = {'memslot_perf_test': '-l 1 -e 1 -s 512'}
# Programs that do more when asked: another test each.
ALSO = ('dirty_log_test-clear dirty_log_test -i 4 -M clear-log',
        'dirty_log_test-ring dirty_log_test -i 4 -M dirty-ring',)
# Programs that take another one's place.
SHORT = {'hardware_disable_test': 'hardware_disable_test-short'}
# Wants a set-up of its own: huge pages, and an argument that says so.
NOT_ALONE = ('nx_huge_pages_test',)
# What in-tree KVM hangs its emulated host with: Bochs' preemption timer does not count.
NOT_THERE = {'vmx': ('vmx_preemption_timer_test',)}
# Likewise; Bochs holds interrupts back from a guest that is entered with IF clear and spins, which
# vmm.ko ends by that timer (run_limit_us). In-tree KVM is not asked, but vmm.ko has to pass.
NOT_ASKED = {'vmx': ('hardware_disable_test',)}
# What a test says if it failed by the emulator, and may try again. VMRUN in QEMU's TCG forgets the
# shadow of STI: an interrupt between STI and HLT is taken there, and HLT waits for the next one in
# vain. So all that were sent are received; a wake-up that got lost would leave one out.
EMULATOR = {'svm': {'xapic_ipi_test': re.compile(
    r'sent (\d+) IPIs .*halted \1 times, woke (?!\1 )\d+ times, received \1 IPIs')}}


def build():
    """The folder with the programs."""
    done = subprocess.run([os.path.join(HERE, 'build')], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        raise kernels.Missing("Linux's KVM selftests could not be built")
    return done.stdout.strip()


def exceptions(path, host):
    """{test: reason} for host, and a failed case for each line that is not allowed."""
    excused, bad = {}, []
    with open(path, encoding='utf-8') as f:
        for line in f:
            words = line.split(None, 3)
            if not words or line.startswith('#'):
                continue
            if len(words) < 4 or words[2] not in FEATURES:
                bad.append(Case('exceptions', FAIL, f'not allowed: {line.strip()}'))
            elif host in words[1].split(','):
                excused[words[0]] = f'{words[2]}: {words[3].strip()}'
    return excused, bad


def run_tests(run, folder, tests, oracle, kernel):
    """{test: case} of one hypervisor, and the cases about the run itself."""
    # The debug kernel takes several times as long.
    limit = run.limit(LIMIT) * (4 if kernel == 'debug' else 1)
    listing = ''.join(t + '\n' for t in tests)
    options = ['--oracle'] if oracle else ['--insmod', 'kvm_node=1']
    cases = run.on_host(
        [*options, '--memory', MEMORY[run.host], '--kernel', kernel,
         '--timeout', str(LIMIT * (80 if kernel == 'debug' else 20)),
         '--file', folder + ':/kvm-tests', '--file', os.path.join(HERE, 'run.sh')],
        f"sh /run.sh {limit} <<'END' 2>/dev/null\n{listing}END")
    names = [t.split()[0] for t in tests]
    found = {c.name: c for c in cases if c.name in names}
    return found, [c for c in cases if c.name not in names]


def failed_by_emulator(host, case):
    """Is it one of EMULATOR's?"""
    said = case and EMULATOR.get(host, {}).get(case.name)
    return bool(said and case.result == FAIL and said.search(case.why))


def outcome(case):
    """One word."""
    if case is None:
        return 'absent'
    return 'hang' if 'no end after' in case.why else case.result


def judge(name, theirs, ours, reason, needed):
    """The case of one test; needed: it has to pass, whatever in-tree KVM does."""
    a, b = outcome(theirs), outcome(ours)
    # On in-tree KVM a test may be late on a busy machine, which says nothing of the exception.
    if reason and (a == SKIP or b == PASS):
        return Case(name, FAIL, f'in-tree: {a}, ours: {b}: it needs no exception')
    if b == PASS:
        return Case(name, PASS)
    if a != PASS and not needed:
        return Case(name, SKIP, f'in-tree: {a}, ours: {b}')
    if reason:
        return Case(name, SKIP, reason)
    return Case(name, FAIL, f'ours: {b}: ' + (ours.why if ours else 'it did not run'))


def suite(run, kernel='slim'):
    """
    One case for each test that is this part's; prints the table. In-tree KVM need not show that it
    passes what vmm.ko passes: it is asked for the others only, or for all if run.verbose.
    """
    folder = build()
    args = {**ARGS, **(DEBUG_ARGS if kernel == 'debug' else {})}
    every = [f'{t} {SHORT.get(t, t)} {args.get(t, "")}' for t in sorted(os.listdir(folder))
             if not t.endswith('-short') and t not in NOT_ALONE + NOT_THERE.get(run.host, ())]
    every += ALSO
    tests = every[run.part::run.parts]
    excused, cases = exceptions(os.path.join(HERE, 'exceptions'), run.host)
    ours, run_ours = run_tests(run, folder, tests, False, kernel)
    # In-tree KVM may take its time for what it fails, too.
    print('ours: ' + ', '.join(f'{t.split()[0]} {outcome(ours.get(t.split()[0]))}' for t in tests),
          flush=True)
    again = [t for t in tests if failed_by_emulator(run.host, ours.get(t.split()[0]))]
    if again:
        print('failed by the emulator, once more: ' + ' '.join(t.split()[0] for t in again))
        more, run_more = run_tests(run, folder, again, False, kernel)
        ours.update(more)
        run_ours += run_more
    not_asked = NOT_ASKED.get(run.host, ())
    asked = [t for t in tests if t.split()[0] not in not_asked and
             (run.verbose or outcome(ours.get(t.split()[0])) != PASS)]
    theirs, run_theirs = run_tests(run, folder, asked, True, kernel) if asked else ({}, [])
    if any(c.name == 'plan' for c in run_theirs):
        # Its host may end by the emulator, and then says nothing of the rest.
        print('in-tree KVM has not come to the end: once more')
        theirs, run_theirs = run_tests(run, folder, asked, True, kernel)
    print(f'{"test":<42} {"in-tree":<8} ours')
    for name in (t.split()[0] for t in tests):
        reason = excused.get(name)
        cases.append(judge(name, theirs.get(name), ours.get(name), reason, name in not_asked))
        in_tree = outcome(theirs.get(name)) if any(t.split()[0] == name for t in asked) else '-'
        print(f'{name:<42} {in_tree:<8} {outcome(ours.get(name))}'
              + (f'   ({reason})' if reason else ''))
    cases += [Case(n, FAIL, 'is excused, but there is no such test')
              for n in excused if n not in [t.split()[0] for t in every]]
    # In-tree KVM may complain of the emulator; not to run to the end is another matter.
    cases += [c for c in run_theirs if c.name != 'host stays clean' and c.result == FAIL]
    return cases + run_ours
