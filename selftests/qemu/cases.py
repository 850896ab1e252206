#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""QEMU with KVM's interface on a host: what it needs there, which cases, what may fail.

  cases.py [--oracle] CASE...     run these, on vmm.ko or on in-tree KVM; TAP
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'selftests/hosts'))
import kernels  # noqa: E402
from tap import Case, FAIL, PASS, SKIP  # noqa: E402

BUILD = os.path.join(TOP, 'build/qemu')
QEMU = '/usr/bin/qemu-system-x86_64'
IMG = '/usr/bin/qemu-img'
# QEMU looks for these where their packages put them, if it stands in /usr/bin itself.
FIRMWARE = ['/usr/share/seabios/' + f for f in ('bios-256k.bin', 'bios-microvm.bin')] + [
    '/usr/share/qemu/' + f for f in ('kvmvapic.bin', 'linuxboot_dma.bin', 'pvh.bin',
                                     'bios-microvm.bin')]
ISOLINUX = ('/usr/lib/ISOLINUX/isolinux.bin', '/usr/lib/syslinux/modules/bios/ldlinux.c32')
OVMF = ['/usr/share/OVMF/' + f for f in ('OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd')]
HYBRID = '/usr/lib/ISOLINUX/isohdpfx.bin'
SYSLINUX = ('/usr/bin/syslinux', '/usr/bin/mformat', '/usr/bin/mcopy')

# The functions case_* of qemu.sh; the last ones take minutes.
QUICK = ('pc', 'q35', 'pc_split', 'pc_off', 'microvm', 'smp', 'disk', 'cdrom', 'snapshot',
         'migrate', 'manage', 'gdb_step', 'kill')
LONG = ('q35_split', 'q35_off', 'debian', 'debian_disk', 'gdb_break', 'ovmf')
# Seconds that cases may take; the others 400.
LIMITS = {'debian': 800, 'debian_disk': 800, 'ovmf': 2000}


def make_guest(build):
    """The initrd of all guests."""
    path = os.path.join(build, 'guest.gz')
    subprocess.run([os.path.join(TOP, 'selftests/hosts/make-guest'), path,
                    os.path.join(HERE, 'guest-init'), os.path.join(build, 'memory')], check=True)
    return path


def boot_config(append, config='serial 0 115200\nprompt 0\n'):
    """What ISOLINUX and SYSLINUX read: Linux from /kernel and /initrd."""
    return (f'{config}default k\nlabel k\nkernel /kernel\n'
            f'append initrd=/initrd console=ttyS0 panic=-1 quiet watchdog_thresh=60 '
            f'rcupdate.rcu_cpu_stall_timeout=120 {append}\n')


def make_image(build, name, kernel, initrd, *config):
    """An image that BIOSes boot as a CD and as a disk: isolinux, a kernel, an initrd."""
    need([*ISOLINUX, HYBRID])
    top = os.path.join(build, name)
    shutil.rmtree(top, ignore_errors=True)
    os.makedirs(os.path.join(top, 'isolinux'))
    shutil.copyfile(kernel, os.path.join(top, 'kernel'))
    shutil.copyfile(initrd, os.path.join(top, 'initrd'))
    for path in ISOLINUX:
        shutil.copy(path, os.path.join(top, 'isolinux'))
    with open(os.path.join(top, 'isolinux/isolinux.cfg'), 'w', encoding='ascii') as f:
        f.write(boot_config(*config))
    image = top + '.iso'
    subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', '-o', image, '-isohybrid-mbr', HYBRID,
                    '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot',
                    '-boot-load-size', '4', '-boot-info-table', top],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image


def make_fat(build, name, kernel, initrd, *config):
    """A disk of one FAT file system with SYSLINUX, a kernel, an initrd."""
    need(SYSLINUX)
    image = os.path.join(build, name + '.img')
    with open(image, 'wb') as f:
        f.truncate(32 << 20)
    subprocess.run(['mformat', '-i', image, '::'], check=True)
    with tempfile.NamedTemporaryFile('w', encoding='ascii') as f:
        f.write(boot_config(*config))
        f.flush()
        for path, there in ((kernel, 'kernel'), (initrd, 'initrd'), (f.name, 'syslinux.cfg')):
            subprocess.run(['mcopy', '-i', image, path, '::' + there], check=True)
    subprocess.run(['syslinux', '-i', image], check=True)
    return image


def need(paths):
    """Say which package is missing before QEMU fails on the host."""
    missing = [p for p in paths if not os.path.exists(p)]
    if missing:
        raise kernels.Missing(f'no {" ".join(missing)}: scripts/install-deps test')


def make_disk(build):
    """An empty disk that can hold snapshots."""
    path = os.path.join(build, 'disk.qcow2')
    subprocess.run([IMG, 'create', '-q', '-f', 'qcow2', path, '1G'], check=True)
    return path


def options(build, root):
    """run-host's options; build is where make has put the programs, QEMU is of the system at root."""
    qemu = [f for f in [QEMU, *FIRMWARE] if root == '/' or os.path.exists(root + f)]
    need([QEMU, IMG, *FIRMWARE, *OVMF])
    guest = make_guest(build)
    slim, stock = (kernels.Kernel(k).bzimage for k in ('slim', 'stock'))
    token = os.path.join(build, 'token')
    append = 'token=' + secrets.token_hex(8)
    with open(token, 'w', encoding='ascii') as f:
        f.write(append[len('token='):])
    there = [guest, token, make_disk(build), os.path.join(build, 'rom'),
             make_image(build, 'small', slim, guest, append + ' do=media'),
             make_image(build, 'debian', stock, guest, append), *OVMF]
    vmctl = os.path.join(os.path.dirname(build), 'userctl/vmctl')
    files = {vmctl: '/vmctl', **{os.path.join(root, f[1:]): f for f in qemu}, slim: '/vmm-qemu/bzImage',
             stock: '/vmm-qemu/vmlinuz', os.path.join(build, 'rsp'): '/rsp',
             **{os.path.join(HERE, f): '/' + f for f in ('qemu.sh', 'lib.sh')},
             **{f: '/vmm-qemu/' + os.path.basename(f) for f in there}}
    return [o for path, name in files.items() for o in ('--file', f'{path}:{name}')]


def exceptions(path, host):
    """{case: reason}: what in-tree KVM fails on this host, too."""
    with open(path, encoding='utf-8') as f:
        rows = [line.split(None, 2) for line in f if line.strip() and not line.startswith('#')]
    return {name: reason.strip() for name, hosts, reason in rows if host in hosts.split(',')}


def host(names, oracle, root='/'):
    """run-host's options, and the command."""
    module = ['--oracle'] if oracle else ['--insmod', 'kvm_node=1']
    limit = 60 + sum(LIMITS.get(n, 400) for n in names)
    return (['--kernel', 'slim', '--memory', '2G', '--timeout', str(limit), *module,
             *options(BUILD, root)], 'sh /qemu.sh ' + ' '.join(names))


def judge(case, excused, theirs):
    """The case with what the list of exceptions says of it."""
    if case.name not in excused:
        return case
    in_tree = theirs.get(case.name, FAIL)
    if PASS in (case.result, in_tree):
        return Case(case.name, FAIL,
                    f'ours: {case.result}, in-tree: {in_tree}: it needs no exception')
    return Case(case.name, SKIP, 'in-tree KVM fails, too: ' + excused[case.name])


def suite(run, names, root='/'):
    """The named cases on vmm.ko; those that may fail also on in-tree KVM. QEMU is of root."""
    run.make('userspace', 'build-qemu')
    excused = exceptions(os.path.join(HERE, 'exceptions'), run.host)
    unknown = [Case(n, FAIL, 'is excused, but there is no such case')
               for n in excused if n not in QUICK + LONG]
    also = [n for n in names if n in excused]
    theirs = {c.name: c.result for c in run.on_host(*host(also, True, root))} if also else {}
    return [judge(c, excused, theirs) for c in run.on_host(*host(names, False, root))] + unknown


def main():
    oracle = sys.argv[1:2] == ['--oracle']
    names = sys.argv[1 + oracle:]
    if not names:
        sys.exit(__doc__)
    subprocess.run(['make', '-s', '-C', TOP, 'userspace', 'build-qemu'], check=True)
    args, command = host(names, oracle)
    return subprocess.run([os.path.join(TOP, 'selftests/hosts/run-host'), 'svm', *args, '--',
                           command], check=False).returncode


if __name__ == '__main__':
    sys.exit(main())
