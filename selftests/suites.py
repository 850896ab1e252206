# SPDX-License-Identifier: GPL-2.0
"""The test suites: what each runs, on which hosts, in how many parts."""

import os
import re
import subprocess
import tempfile

import coverage as coverage_tool
import debian
import differences
import foreign as foreign_kernels
import kernels
import kvm.linux
from qemu import backports, cases as qemu_cases
from tap import Case, FAIL, PASS, SKIP
from ynl import ynl as ynl_tool

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.path.join(TOP, 'build')
BOTH = ('svm', 'vmx')
# Suites and cases of abi tests that a host is not asked for, and why.
TOO_MUCH = {'svm2': {'host_mm': 'does not end on Bochs within minutes', **dict.fromkeys(
                ('dirty_ring', 'hostile', 'hostile_guest', 'ipi', 'irqfd', 'ioeventfd', 'lapic', 'system'),
                'Bochs hangs now and then on this model')}}
# Likewise where in-tree KVM takes part.
TOO_MUCH_FOR_BOTH = {
    'svm': {'random_state': 'some states keep in-tree KVM in the kernel for ever',
            'hostile_guest': 'in-tree KVM does not come back from a storm of interrupts',
            'isolation.debug_registers': 'QEMU ends when in-tree KVM runs a traced client',
            'lapic.cr8_in_window': 'QEMU aborts: in-tree KVM has V_IRQ set at writes of CR8'},
    'vmx': dict.fromkeys(
        ('badinput', 'dirty.no_lost_writes', 'dirty.no_lost_writes_manual', 'hostile',
         'hostile_guest', 'host_mm', 'limits', 'memory.delete_while_running',
         'memory.dontneed_while_running', 'pv_features.kick', 'quirks.mwait_without_exits',
         'random_state'),
        'a guest that leaves interrupts off is never interrupted on Bochs')}
# In-tree KVM's module.
KVM = {'svm': 'kvm-amd', 'svm2': 'kvm-amd', 'vmx': 'kvm-intel'}
SUITES = {}


class Suite:
    """A function that runs something on run.host; None stands for this machine."""

    def __init__(self, function, hosts, also, long, seconds, parts):
        self.function = function
        self.name = function.__name__.replace('_', '-')
        self.hosts = hosts
        # Those of them that "make check" leaves to "make check-long".
        self.long = long
        # Hosts that it runs on too if they are named.
        self.also = also
        # About how long it takes, by host: the long ones are begun first.
        self._seconds = seconds
        self._parts = parts

    def seconds(self, host):
        return self._seconds.get(host or 'seconds', 60) / self.parts(host)

    def parts(self, host):
        """Into how many it is cut for this host, so that they run beside one another."""
        return self._parts.get(host, 1)


def suite(hosts=BOTH, also=(), long=(), parts=None, **seconds):
    """Make a function a suite."""
    def register(function):
        s = Suite(function, hosts, also, long, seconds, parts or {})
        SUITES[s.name] = s
        return function
    return register


def host_kernel(run):
    """The kernel of most tests: Debian's; on Bochs the slim one, which boots ten times sooner."""
    return 'stock' if run.host == 'svm' else 'slim'


def programs(folder):
    """The executables in folder."""
    if not os.path.isdir(folder):
        return []
    return sorted(f for f in os.listdir(folder)
                  if os.access(os.path.join(folder, f), os.X_OK)
                  and os.path.isfile(os.path.join(folder, f)))


def boot_files(*names):
    """Options that put these on the host: scripts of selftests/boot, or what is built there."""
    return [o for name in names
            for o in ('--file', os.path.join(*((HERE, 'boot') if '.' in name else
                                               (BUILD, 'boot')), name))]


# On this machine

def kept_inputs(run):
    """What "make fuzz" has kept here: each fuzzer runs it again."""
    cases = []
    for name in programs(os.path.join(BUILD, 'fuzz')):
        kept = os.path.join(debian.CACHE, 'corpus', name.replace('_fuzz', ''))
        if os.path.isdir(kept) and os.listdir(kept):
            cases += [Case(f'fuzz/{name}.{c.name}', c.result, c.why)
                      for c in run.local([os.path.join(BUILD, 'fuzz', name), '-repeat', kept])]
    return cases


@suite(hosts=(None,), seconds=80)
def unit_user(run):
    """Unit tests that run here."""
    run.make('build-unit')
    cases = run.local([os.path.join(HERE, 'hosts/tap_test.py')])
    for folder in ('unit', 'fuzz', 'userctl/tests', 'userctl/sanitize/tests'):
        for name in programs(os.path.join(BUILD, folder)):
            cases += [Case(f'{folder}/{name}.{c.name}', c.result, c.why)
                      for c in run.local([os.path.join(BUILD, folder, name)])]
    cases += kept_inputs(run)
    cli = os.path.join(TOP, 'userctl/tests/cli.sh')
    if os.path.exists(cli):
        cases += run.local(['env', 'VMCTL=' + os.path.join(BUILD, 'userctl/vmctl'), 'sh', cli])
    return cases


@suite(hosts=(None,), seconds=150)
def lint(run):
    """Everything that reads sources."""
    return run.local([os.path.join(TOP, 'scripts/lint')], limit=5400)


# KUnit

def kunit(run, kernel):
    """vmm_kunit.ko's suites. Their results are in the kernel's log, record by record."""
    cases = run.on_host(['--kernel', kernel, '--insmod', '--timeout', '1800'],
                        'dmesg -c >/dev/null; insmod /vmm_kunit.ko && rmmod vmm_kunit; '
                        's=$?; dmesg; exit $s', need_plan=False)
    # The log has no plan of suites.
    with open(os.path.join(TOP, 'kmod/tests/suites.h'), encoding='ascii') as f:
        wanted = len(re.findall(r'^\tX\(\w+_suite\)', f.read(), re.M))
    found = len({c.name.split('.')[0] for c in cases if c.name.startswith('vmm')})
    return cases + [Case('suites', PASS if found == wanted else FAIL, f'{found} of {wanted}')]


@suite(svm=40, vmx=40)
def unit(run):
    """KUnit on the slim kernel, and what its results come through."""
    cases = kunit(run, 'slim')
    if run.host == 'svm':
        cases += run.local([os.path.join(HERE, 'hosts/host_test.py')], limit=900)
    return cases


@suite(long=('vmx',), svm=160, vmx=300)
def unit_debug(run):
    """KUnit on the debug kernel."""
    return kunit(run, 'debug')


# The ioctl interface

def abi_cases(run, both=False):
    """The names of all cases, and of those that this part runs on this host.

    both: in-tree KVM is to run them too."""
    run.make('build-abi')
    names = subprocess.run([os.path.join(BUILD, 'abi/abi'), '-l'], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split()
    left_out = {*TOO_MUCH.get(run.host, ()), *(TOO_MUCH_FOR_BOTH.get(run.host, ()) if both else ())}
    return names, [n for n in names if not {n, n.split('.')[0]} & left_out][run.part::run.parts]


def abi_skips(run):
    """A skip for each suite that this host is not asked for."""
    return [Case(name, SKIP, why) for name, why in TOO_MUCH.get(run.host, {}).items()
            if run.part == 0]


def abi_tests(run, kernel, oracle, only, parameters=''):
    """The named abi tests on vmm.ko, loaded with parameters, or in-tree KVM: cases."""
    device = '/dev/kvm' if oracle else '/dev/vmm'
    scale = 4 if kernel == 'debug' else 1
    return run.on_host(
        ['--kernel', kernel, *(['--oracle'] if oracle else ['--insmod', parameters]),
         '--timeout', str(1200 * scale),
         *(['--module', 'zram'] if kernel == 'stock' else []),
         '--file', os.path.join(BUILD, 'abi/abi')],
        ' '.join([f'VMM_DEV={device} /abi -s {scale}', *only]))


@suite(also=('svm2',), long=('svm2',), parts={'vmx': 2}, svm=100, vmx=600)
def abi(run):
    """The ioctl interface on the slim kernel; on Bochs' AMD model what is dependable there."""
    run.abi_results = abi_tests(run, 'slim', False, abi_cases(run)[1])
    return run.abi_results + abi_skips(run)


@suite(hosts=('svm',), svm=220)
def coverage(run):
    """How many of each room's lines the unit and abi tests run, as figures."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ['VMM_COVERAGE'] = folder
        try:
            cases = kunit(run, 'slim') + abi_tests(run, 'slim', False, abi_cases(run)[1])
        finally:
            del os.environ['VMM_COVERAGE']
        rooms, total = coverage_tool.by_room(coverage_tool.count(folder))
    if not total[1]:
        return [Case('lines', FAIL, 'no counters')]
    rooms['kmod, as a whole,'] = total
    for room, (ran, lines) in rooms.items():
        run.figures[f'% of the lines of {room} run by unit and abi tests on {run.host}'] = \
            100 * ran // lines
    enough = 100 * total[0] >= coverage_tool.GOAL * total[1]
    return [c for c in cases if c.result == FAIL] + [
        Case('lines', PASS if enough else FAIL, f'below {coverage_tool.GOAL} %')]


@suite(hosts=('svm',), svm=250)
def faults(run):
    """The ioctls that allocate and copy most, with each of that made to fail in turn."""
    run.make('build-abi')
    # Not the paravirtual ones: a note to a guest whose memory cannot be had is not repeated.
    only = ('caps', 'cpuid', 'dirty', 'dirty_ring', 'events', 'ioapic', 'ioeventfd',
            'irqfd', 'memory', 'msr', 'msr_filter', 'pio', 'split_irqchip', 'stats', 'sync_regs',
            'system', 'vcpu', 'xstate', 'apf.closed_in_flight')
    return run.on_host(['--kernel', 'debug', '--starved', '--insmod', '--timeout', '2400',
                        '--file', os.path.join(BUILD, 'abi/abi')],
                       ' '.join(['VMM_DEV=/dev/vmm /abi -f -s 4', *only]))


@suite(svm=90, vmx=300)
def isolation(run):
    """What of the ioctl interface's tests is about who sees what."""
    run.make('build-abi')
    return abi_tests(run, 'slim', False, ['isolation'])


@suite(hosts=('vmx',), vmx=200)
def virtual_apic(run):
    """What has to do with interrupts, on an APIC that the processor serves."""
    run.make('build-abi')
    only = ('virtual_apic', 'lapic', 'ipi', 'ioapic', 'irqfd', 'pic_pit', 'events')
    return abi_tests(run, 'slim', False, only, 'virtual_apic=1 ack_intr=1')


@suite(long=('vmx',), parts={'vmx': 2}, svm=400, vmx=2400)
def abi_debug(run):
    """The ioctl interface on the debug kernel."""
    return abi_tests(run, 'debug', False, abi_cases(run)[1])


@suite(long=BOTH, parts={'svm': 2, 'vmx': 2}, svm=1500, vmx=8000)
def random_states(run):
    """A million random states, each entered: other ones than the abi suite's."""
    run.make('build-abi')
    return run.on_host(['--kernel', 'slim', '--insmod', '--timeout', '7200',
                        '--file', os.path.join(BUILD, 'abi/abi')],
                       f'VMM_DEV=/dev/vmm VMM_STATES=250000 VMM_SEED={run.part + 1} '
                       '/abi -s 60 random_state')


@suite(hosts=('svm',), long=('svm',), svm=150)
def abi_stock(run):
    """The ioctl interface on Debian's kernel, on which boot, guests and scale run too."""
    return abi_tests(run, 'stock', False, abi_cases(run)[1])


@suite(long=('vmx',), parts={'vmx': 2}, svm=100, vmx=1200)
def oracle(run):
    """The same binary on in-tree KVM; what differs must be explained."""
    names, mine = abi_cases(run, both=True)
    ours = run.abi_results or abi_tests(run, 'slim', False, mine)
    # The abi suite has run also what in-tree KVM is not asked for.
    ours = [c for c in ours if c.name in mine or c.name not in names]
    theirs = abi_tests(run, 'slim', True, mine)
    if any(c.name == 'plan' for c in theirs):
        # Its host may end by the emulator, and then says nothing of the rest.
        print('in-tree KVM has not come to the end: once more')
        theirs = abi_tests(run, 'slim', True, mine)
    reasons = differences.explained(os.path.join(TOP, 'Documentation/differences.rst'), run.host)
    # In-tree KVM loses timing tests on a busy machine: it gets a second chance, vmm.ko does not.
    late = differences.unexplained_failures(ours, theirs, reasons)
    if late:
        print('once more on in-tree KVM: ' + ' '.join(late))
        again = {c.name: c for c in abi_tests(run, 'slim', True, late)}
        theirs = [again.get(c.name, c) if c.name in late else c for c in theirs]
    return differences.compare(ours, theirs, reasons, names if run.part == 0 else None)


@suite(long=('vmx',), parts={'svm': 2, 'vmx': 8}, svm=500, vmx=6000)
def kvm_selftests(run):
    """Linux's own KVM selftests: what in-tree KVM passes, vmm.ko has to pass."""
    return kvm.linux.suite(run)


@suite(hosts=('svm',), parts={'svm': 4}, svm=1200)
def kvm_selftests_debug(run):
    """Linux's own KVM selftests on the debug kernel."""
    return kvm.linux.suite(run, 'debug')


# Many of them

@suite(long=('vmx',), svm=100, vmx=600)
def scale(run):
    """Many vCPUs, many VMs, more memory than the host has."""
    run.make('build-scale')
    return run.on_host(['--kernel', 'stock', '--insmod', '--smp', '2', '--memory', '320M',
                        '--timeout', '1200', '--module', 'zram',
                        '--file', os.path.join(BUILD, 'scale/scale')],
                       'VMM_DEV=/dev/vmm /scale')


@suite(hosts=('svm',), also=('vmx',), svm=120, vmx=600)
def host_events(run):
    """What a host does to memory, processors and clients while guests count."""
    run.make('build-events')
    return run.on_host(['--kernel', 'slim', '--starved', '--insmod', '--smp', '2', '--memory', '768M',
                        '--timeout', '1200', '--file', os.path.join(BUILD, 'events/events')],
                       'VMM_DEV=/dev/vmm /events')


@suite(hosts=('svm',), also=('vmx',), svm=220, vmx=400)
def fuzz_ioctl(run):
    """Sequences of ioctls that make no sense, for two minutes; then netlink messages."""
    # Both, for "make fuzz" below waits for nobody who builds them.
    run.make('build-fuzz', 'build-fuzz-ioctl')
    # One processor, led by what is new of the module: two take this kernel for ever to come up.
    # And two processors, on a kernel that sees less but does more.
    cases = []
    for seconds, messages, options in (
            (80, 8000, ['--kernel', 'debug']),
            (40, 40000, ['--kernel', 'slim', '--smp', '2', '--memory', '1536M',
                          '--append', 'slub_debug=FZP'])):
        cases += run.on_host([*options, '--insmod', '--timeout', str(900 + seconds),
                              '--file', os.path.join(BUILD, 'fuzz-ioctl/ioctl_fuzz')],
                             f'VMM_DEV=/dev/vmm /ioctl_fuzz -t {seconds} -m {messages}')
    # And as people run it.
    return cases + run.local(['make', '-s', 'fuzz', 'TARGET=ioctl', 'HOST=' + run.host,
                              'KERNEL=slim', 'SECONDS=2'], limit=run.limit(1800))


# Whole guests

@suite(hosts=('svm',), svm=300)
def qemu(run):
    """Debian's QEMU on /dev/kvm: machines, media, snapshots, migration, the debugger."""
    return qemu_cases.suite(run, qemu_cases.QUICK)


@suite(hosts=('svm',), long=('svm',), svm=600)
def qemu_long(run):
    """Likewise what takes minutes each."""
    return qemu_cases.suite(run, qemu_cases.LONG)


@suite(hosts=('svm',), long=('svm',), svm=700)
def qemu_backports(run):
    """The QEMU of Debian's backports, with all that the other one does."""
    root = backports.fetch()
    print(backports.version(root))
    names = [n for n in qemu_cases.QUICK + qemu_cases.LONG if n not in backports.NOT_THERE]
    return qemu_cases.suite(run, names, root)


@suite(svm=250, vmx=300)
def boot(run):
    """Debian's stock kernel under vmctl."""
    run.make('userspace', 'build-boot')
    return run.local([os.path.join(HERE, 'boot/boot'), run.host], limit=run.limit(4200))


@suite(hosts=('svm',), svm=600)
def boot_debug(run):
    """Debian's stock kernel under vmctl on the debug kernel."""
    run.make('userspace', 'build-boot')
    return run.local([os.path.join(HERE, 'boot/boot'), run.host, '--debug'], limit=run.limit(14400))


SEABIOS = ('/usr/share/seabios/bios-256k.bin', '/usr/share/seabios/bios.bin')


@suite(svm=130, vmx=160)
def guests(run):
    """Small kernels under vmctl: how they start, how they end, what vmctl says."""
    qemu_cases.need(SEABIOS)
    run.make('userspace')
    run.make('-C', 'userctl', 'OUTPUT=' + os.path.join(BUILD, 'userctl'), 'guests')
    folder = os.path.join(BUILD, 'userctl/tests/guests')
    files = [os.path.join(folder, n)
             for n in ('multiboot.elf', 'multiboot.bin', 'pvh.elf', 'pv.elf', 'bootsector.img',
                       'pty')]
    slim = kernels.Kernel('slim').bzimage
    files += [*SEABIOS, os.path.join(BUILD, 'userctl/vmctl'),
              os.path.join(TOP, 'userctl/tests/lib.sh'), os.path.join(TOP, 'userctl/tests/guests.sh')]
    foreign = ''
    if run.host == 'svm':
        # On Bochs these would take their time.
        initrd = os.path.join(folder, 'media.gz')
        subprocess.run([os.path.join(HERE, 'hosts/make-guest'), initrd,
                        os.path.join(HERE, 'boot/guest-init')], check=True)
        for make, name in ((qemu_cases.make_image, 'isolinux'), (qemu_cases.make_fat, 'syslinux')):
            files.append(make(folder, name, slim, initrd, 'token=' + name, 'prompt 1\n'))
        folder = foreign_kernels.fetch()
        files += [os.path.join(folder, n) + ':/foreign/' + n for n in sorted(os.listdir(folder))]
        foreign = 'FOREIGN=/foreign '
    options = [o for f in files for o in ('--file', f)]
    return run.on_host(['--kernel', host_kernel(run), '--insmod', '--timeout', '2400', *options],
                       foreign + 'VMCTL=/vmctl GUESTS=/ sh /guests.sh')


@suite(long=('vmx',), svm=220, vmx=600)
def fleet(run):
    """Many detached VMs under vmctl: names, consoles, limits, events, ends."""
    run.make('userspace')
    run.make('-C', 'userctl', 'OUTPUT=' + os.path.join(BUILD, 'userctl'), 'guests')
    folder = os.path.join(BUILD, 'userctl/tests/guests')
    files = [os.path.join(folder, n) for n in ('multiboot.elf', 'pvh.elf', 'say', 'as-nobody')]
    files += [os.path.join(BUILD, 'userctl/vmctl'),
              os.path.join(TOP, 'userctl/tests/lib.sh'), os.path.join(TOP, 'userctl/tests/fleet.sh')]
    # On Bochs each takes its time.
    many = 50 if run.host == 'svm' else 8
    return run.on_host(['--kernel', host_kernel(run), '--insmod', '--smp', '2', '--timeout', '2400',
                        *[o for f in files for o in ('--file', f)]],
                       f'VMCTL=/vmctl GUESTS=/ VMM_DEV=/dev/vmm sh /fleet.sh {many}')


@suite(hosts=('svm',), long=('svm',), svm=90)
def ynl(run):
    """The netlink family by the kernel's own tool, from Documentation/netlink/specs/vmm.yaml."""
    options = ynl_tool.options()
    run.make('userspace')
    run.make('-C', 'userctl', 'OUTPUT=' + os.path.join(BUILD, 'userctl'), 'guests')
    files = [os.path.join(BUILD, 'userctl', n) for n in ('vmctl', 'tests/guests/multiboot.elf')]
    files.append(os.path.join(TOP, 'userctl/tests/lib.sh'))
    return run.on_host(['--kernel', 'slim', '--insmod', '--memory', '1G', '--timeout', '900', *options,
                        *[o for f in files for o in ('--file', f)]],
                       'VMCTL=/vmctl GUESTS=/ VMM_DEV=/dev/vmm sh /ynl.sh')


@suite(svm=120, vmx=300, long=('vmx',))
def security(run):
    """Who can do what: users, groups, and the processes of VMs."""
    run.make('userspace')
    out = os.path.join(BUILD, 'userctl')
    run.make('-C', 'userctl', 'OUTPUT=' + out, 'guests', out + '/tests/test_sandbox')
    folder = os.path.join(out, 'tests/guests')
    files = [os.path.join(folder, n) for n in ('multiboot.elf', 'pvh.elf', 'say', 'as-nobody')]
    files += [os.path.join(out, 'vmctl'), os.path.join(out, 'tests/test_sandbox'),
              *(os.path.join(TOP, 'userctl', n)
                for n in ('70-vmm.rules', 'tests/lib.sh', 'tests/security.sh'))]
    return run.on_host(['--kernel', host_kernel(run), '--insmod', '--timeout', '1800',
                        *[o for f in files for o in ('--file', f)]],
                       'VMCTL=/vmctl GUESTS=/ RULES=/70-vmm.rules SANDBOX=/test_sandbox '
                       'sh /security.sh')


def stock_guest(folder):
    """Debian's kernel as a guest, and its initrd with drivers; paths on this machine."""
    kernel = kernels.Kernel('stock')
    modules = kernel.module_closure(['virtio_pci', 'virtio_blk', 'virtio_net', '9pnet_virtio', '9p',
                                     'pvpanic-pci', 'virtio_mem'])
    initrd = os.path.join(folder, 'virtio-stock.gz')
    # Two suites may do so at a time.
    with tempfile.TemporaryDirectory(dir=folder) as own:
        names, made = os.path.join(own, 'modules'), os.path.join(own, 'initrd.gz')
        with open(names, 'w', encoding='ascii') as f:
            f.write(''.join(f'/{os.path.basename(m)}\n' for m in modules))
        subprocess.run([os.path.join(HERE, 'hosts/make-guest'), made,
                        os.path.join(TOP, 'userctl/tests/guests/virtio-init'), names, *modules],
                       check=True)
        os.replace(made, initrd)
    return [kernel.bzimage + ':/stock/vmlinuz', initrd + ':/stock/virtio-stock.gz']


# What serves images, and vmctl's side of it, which it loads itself.
NBD = ('/usr/bin/qemu-nbd', '/usr/bin/qemu-img', '/usr/lib/x86_64-linux-gnu/libnbd.so.0')


@suite(svm=450, vmx=600, long=('vmx',))
def virtio(run):
    """vmctl's devices under a Linux guest that uses them."""
    run.make('userspace')
    out = os.path.join(BUILD, 'userctl')
    run.make('-C', 'userctl', 'OUTPUT=' + out, 'guests', out + '/tests/test_net_vhost')
    folder = os.path.join(out, 'tests/guests')
    tool = os.path.join(folder, 'tool')
    subprocess.run([os.path.join(HERE, 'hosts/make-guest'), os.path.join(folder, 'virtio.gz'),
                    os.path.join(TOP, 'userctl/tests/guests/virtio-init'), tool], check=True)
    files = [os.path.join(folder, n)
             for n in ('multiboot.elf', 'numbers.elf', 'virtio.gz', 'tool', 'killer')]
    files.append(kernels.Kernel('slim').bzimage + ':/bzImage')
    files += [os.path.join(out, n) for n in ('vmctl', 'tests/test_net_vhost')]
    files += [os.path.join(TOP, 'userctl/tests', n) for n in ('lib.sh', 'virtio.sh')]
    modules, stock = ['vhost_vsock'], 'ROUNDS=16 '
    if run.host == 'svm':
        # On Bochs Debian's kernel would take its time, and is not the host.
        modules += ['tun', 'vhost_net', 'brd', 'ext4', 'crc32c_generic']
        qemu_cases.need(NBD)
        files += stock_guest(folder) + [f'{f}:{f}' for f in NBD]
        # Busybox has one of its own name.
        files.append('/sbin/mke2fs:/sbin/mkfs.ext4')
        stock = 'STOCK=/stock '
    options = [o for f in files for o in ('--file', f)]
    options += [o for m in modules for o in ('--module', m)]
    return run.on_host(['--kernel', host_kernel(run), '--insmod', '--timeout', '4500', *options],
                       stock + 'VMCTL=/vmctl GUESTS=/ sh /virtio.sh')


@suite(long=('svm', 'vmx'), svm=300, vmx=900)
def debian_root(run):
    """Debian under vmctl with a root file system of its own, as debootstrap makes it."""
    qemu_cases.need(('/sbin/e2fsck', '/sbin/debugfs'))
    run.make('userspace')
    # stderr stays visible: the first time takes minutes.
    done = subprocess.run([os.path.join(HERE, 'boot/make-debian-root')], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise kernels.Missing('the Debian root file system could not be made')
    folder = done.stdout.strip()
    disk, options, about = '/dev/vda', ['--module', 'tun'], 'CPUS=2 MIB=32 '
    files = [os.path.join(folder, n) + ':/debian/' + n for n in ('vmlinuz', 'initrd.img')]
    if run.host != 'svm':
        # On Bochs the kernel that has all drivers in it.
        disk, options, about = '/dev/sda', [], 'CPUS=1 MIB=4 '
        files = [kernels.Kernel('slim').bzimage + ':/debian/vmlinuz']
    files += [os.path.join(BUILD, 'userctl/vmctl'), '/sbin/e2fsck', '/sbin/debugfs',
              *(os.path.join(TOP, 'userctl/tests', n)
                for n in ('lib.sh', 'debian.sh', 'guests/debian-check'))]
    options += [o for f in files for o in ('--file', f)]
    return run.on_host(['--kernel', host_kernel(run), '--insmod', '--timeout', '1800', *options,
                        '--disk', os.path.join(folder, 'root.img')],
                       about + f'VMM_DEV=/dev/vmm VMCTL=/vmctl GUESTS=/ DEBIAN=/debian '
                       f'IMAGE={disk} sh /debian.sh')


@suite(svm=300, vmx=150)
def load(run):
    """Loading, unloading and killing; on QEMU on the debug kernel, on Bochs less often."""
    run.make('build-boot')
    counts = '200 50' if run.host == 'svm' else '100 20'
    return run.on_host(['--kernel', 'debug' if run.host == 'svm' else 'slim', '--smp', '2',
                        '--timeout', '3000', *boot_files('storm', 'lib.sh', 'load.sh')],
                       '/load.sh ' + counts)


@suite(long=('vmx',), svm=120, vmx=1500)
def lifetime(run):
    """Beside in-tree KVM, through CPU hotplug, suspend, kexec and a crash."""
    run.make('build-boot')
    kernel = kernels.Kernel(host_kernel(run))
    # On the way to a crash kernel all of it is summed up, which Bochs takes minutes for.
    options = ['--kernel', kernel.name, '--smp', '2',
               '--timeout', '1200' if kernel.name == 'stock' else '1500']
    append = 'crashkernel=256M '
    if kernel.name == 'stock':
        msr = ['--module', 'msr']
    else:
        # On Bochs a CPU that comes back and waits by MWAIT is never woken.
        msr, append = [], append + 'idle=halt'
    other = KVM['vmx' if KVM[run.host] == KVM['svm'] else 'svm']
    cases = run.on_host([*options, '--append', append, '--module', KVM[run.host],
                         '--file', kernel.module(other) + ':/other-vendor.ko',
                         *boot_files('storm', 'lib.sh', 'lifetime.sh')], '/lifetime.sh')
    return cases + run.on_host([*options, '--append', append, *msr, '--boots', '3', '--file',
                                kernel.bzimage + ':/bzImage',
                                *boot_files('storm', 'kexec', 'lib.sh', 'kexec.sh')],
                               'sh /kexec.sh')
