# SPDX-License-Identifier: GPL-2.0
"""The emulated machines: QEMU's TCG has SVM, Bochs has VMX (and SVM on another model).

A host has two serial ports: the kernel's console, which is logged, and the
port that the command talks on.
"""

import ctypes
import functools
import json
import mmap
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import termios
import time
import tty

MEMORY = {'stock': 2048, 'backports': 2048, 'slim': 1024, 'debug': 3072}
# A machine that leaves an emulator without a processor for 20 seconds is busy, not broken.
APPEND = ('console=ttyS0,115200 loglevel=5 log_buf_len=4M oops=panic tsc=reliable '
          'rcupdate.rcu_cpu_stall_timeout=60 ')
WATCHDOG = dict.fromkeys(('stock', 'backports', 'debug'),
                         'watchdog_thresh=60 sysctl.kernel.hung_task_timeout_secs=600 ')


def die_with_parent():
    """Have this process killed when run-host ends, in whatever way (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


@functools.lru_cache
def tsc_khz():
    """How fast this machine's TSC counts."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as m:
        # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
        m.write(bytes.fromhex('0f31 48c1e220 4809d0 c3'))
        page = ctypes.c_char.from_buffer(m)
        rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(page))

        def both():
            """The TSC at a time; of several the one that was taken with the least delay."""
            tries = []
            for _ in range(20):
                before, tsc, after = time.monotonic_ns(), rdtsc(), time.monotonic_ns()
                tries.append((after - before, tsc, before))
            return min(tries)[1:]
        tsc0, ns0 = both()
        time.sleep(0.05)
        tsc1, ns1 = both()
        del page
    return (tsc1 - tsc0) * 1000000 // (ns1 - ns0)


class Emulator:
    """One host. Subclasses start it, and say how to ask it what it is doing."""

    # Bits of the kernel's taint that this host always has.
    taint = 0

    def __init__(self, args, kernel, initramfs, work):
        self.args = args
        self.kernel = kernel
        self.initramfs = initramfs
        self.work = work
        self.console = os.path.join(work, 'console')
        open(self.console, 'wb').close()
        self.process = None
        # The command's port: what it says is read here; what is written here it reads.
        self.port = None

    def log(self):
        """The kernel's console until now."""
        with open(self.console, encoding='utf-8', errors='replace') as f:
            return f.read()

    def read(self, timeout):
        """What the command says: bytes, b'' if nothing within timeout, None after the end."""
        raise NotImplementedError

    def ask(self):
        """Have a host that hangs say on its console what it is doing; returns what it adds."""
        raise NotImplementedError

    def nudge(self):
        """Called about once a second while the host runs."""

    def panicked(self):
        """Whether the kernel has stopped for good, and waits to be ended."""
        return False

    def stop(self):
        """End the emulator, whatever it does."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def _console_settles(self, limit):
        """Wait until the console has been silent for two seconds."""
        end = time.monotonic() + limit
        size, since = -1, time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < 2:
            self.read(0.02)
            now = os.path.getsize(self.console)
            if now != size:
                size, since = now, time.monotonic()


class Qemu(Emulator):
    """qemu-system-x86_64 -accel tcg: SVM."""

    def __init__(self, *args):
        super().__init__(*args)
        # QEMU writes the console to a plain file, which takes every byte at once: from a socket
        # or terminal whose reader is late the serial port drops some. What goes into the pipe
        # beside it init reads.
        self.console = self._path('tty.out')
        open(self.console, 'wb').close()
        self.keys = self._path('tty.in')
        os.mkfifo(self.keys)

    def start(self):
        args = self.args
        append = APPEND + WATCHDOG.get(args.kernel, '') + 'panic=-1 '
        # With a thread for each CPU, one may go on executing what another has patched. But where
        # CPUs take turns, the end of a turn between VMRUN and the next exit has QEMU deliver the
        # event of EVENTINJ once more: Linux guests soon hang. They want a host of one CPU.
        argv = ['qemu-system-x86_64', '-accel', 'tcg,thread=single', '-cpu', 'max',
                '-smp', str(args.smp),
                '-m', args.memory or str(MEMORY[args.kernel]), '-kernel', self.kernel.image,
                '-initrd', self.initramfs, '-display', 'none', '-vga', 'none', '-monitor', 'none',
                '-nic', 'none', '-no-reboot',
                '-qmp', f'unix:{self._path("qmp")},server=on,wait=off',
                '-chardev', f'pipe,id=console,path={self._path("tty")}',
                '-serial', 'chardev:console',
                '-chardev', 'stdio,id=out,signal=off', '-serial', 'chardev:out']
        for disk in args.disk:
            # Several hosts may have the same file.
            argv += ['-drive', f'file={disk},format=raw,if=virtio,snapshot=on,cache=unsafe']
        if args.share:
            argv += ['-virtfs', f'local,path={args.share},mount_tag=share,security_model=none,'
                     'readonly=on,multidevs=remap']
        if args.icount:
            argv += ['-icount', 'shift=0,sleep=off', '-seed', '1',
                     '-rtc', 'base=2024-01-01T00:00:00,clock=vm']
            append += 'nokaslr norandmaps '
        else:
            # What RDTSC says here it says there. Linux would find out how fast that is by the PIT,
            # and if it is kept waiting, its clock goes several times too fast ever after.
            append += f'tsc_early_khz={tsc_khz()} '
        if self.args.kernel == 'debug':
            # Linux empties boot_cpu_data for a moment to fill it anew, with interrupts enabled.
            # Where it forgets LA57, KASAN reports every address of an interrupt that comes then.
            append += 'no5lvl '
        self.process = subprocess.Popen(argv + ['-append', append + args.append],
                                        stdin=None if args.live else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.port = self.process.stdout.fileno()

    def _path(self, name):
        return os.path.join(self.work, name)

    def read(self, timeout):
        if not select.select([self.port], [], [], timeout)[0]:
            return b''
        return os.read(self.port, 65536) or None

    def nudge(self):
        """
        Press the console's return key. TCG changes its word of pending interrupts at each VMRUN
        and #VMEXIT while another thread may do so for a device, and loses that one's now and then:
        the local APIC holds the timer's vector, and the processor is not told before another
        interrupt arrives. Linux sets its timer anew only when it has run out, so this would be the
        end. With --icount the threads take turns, and instructions are counted.
        """
        if not self.args.icount:
            self._type(b'\n')

    def _type(self, keys):
        """Type keys on the console; QEMU may be at its end, or not read them."""
        try:
            # QEMU holds both ends open, so neither this nor its reading ever waits.
            port = os.open(self.keys, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return
        try:
            os.write(port, keys)
        except OSError:
            pass
        finally:
            os.close(port)

    def ask(self):
        said = ''
        try:
            with socket.socket(socket.AF_UNIX) as qmp:
                qmp.settimeout(10)
                qmp.connect(self._path('qmp'))
                self._command(qmp, 'qmp_capabilities')
                said = self._command(qmp, 'human-monitor-command',
                                     **{'command-line': 'info registers -a'})
                # Where each processor is: that works even if no process gets to run.
                self._command(qmp, 'chardev-send-break', id='console')
                self._type(b'l')
                self._console_settles(20)
                self._type(b'\nps\n')
                self._console_settles(20)
        except (OSError, ValueError) as e:
            said += f'QEMU does not answer: {e}'
        return ''.join(line + '\n' for line in said.splitlines()
                       if re.search('RIP|CR0|CPU#|answer', line))

    @staticmethod
    def _command(qmp, name, **arguments):
        """Run one QMP command; its result, if that is text."""
        qmp.send(json.dumps({'execute': name, 'arguments': arguments}).encode() + b'\n')
        for line in qmp.makefile():
            answer = json.loads(line)
            if 'return' in answer:
                return answer['return'] if isinstance(answer['return'], str) else ''
            if 'error' in answer:
                raise ValueError(answer['error']['desc'])
        raise ValueError('end of file')


class Bochs(Emulator):
    """bochs: VMX on an Intel model, SVM on an AMD one."""

    # The first model claims a wrong size for compacted states, which has Linux do without XSAVE;
    # and without AVX-512, where that size is right, XRSTORS faults on what XSAVES stored. Waiting
    # by MWAIT hangs on the second.
    MODELS = {'vmx': ('corei7_skylake_x', 'retbleed=off clearcpuid=xsaves,xsavec '),
              'svm2': ('ryzen', 'clearcpuid=mwaitx,monitor ')}
    # CPU out of spec: clearcpuid= sets that.
    taint = 1 << 2
    # Ticks in an emulated second, and one tick is one instruction. CPUID claims 3.5 GHz.
    RATE = 100000000
    # Where disks are, beside the CD; one that ends within a cylinder is cut off there.
    DISKS = ('ata0-slave', 'ata1-master', 'ata1-slave')
    CYLINDER = 16 * 63 * 512
    ISOLINUX = ('/usr/lib/ISOLINUX/isolinux.bin', '/usr/lib/syslinux/modules/bios/ldlinux.c32')

    def __init__(self, *args):
        super().__init__(*args)
        self.tty = None
        self._tail = b''
        self._panicked = False

    def start(self):
        self._make_iso()
        self.tty, console = self._pty()
        self.port, port = self._pty()
        model = self.MODELS[self.args.host][0]
        disks = ''.join(f'{at}: type=disk, mode=volatile, path={disk}, '
                        f'journal={self._path(at)}\n'
                        for at, disk in zip(self.DISKS, self.args.disk))
        # Bochs' own log is of no use, and is long.
        self._write('bochsrc', f'''
cpu: model={model}, count={self.args.smp}, ips={self.RATE}
cpu: reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={self._memory()}, host={self._memory()}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={self._path('boot.iso')}, status=inserted
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
{disks}boot: cdrom
com1: enabled=1, mode=term, dev={console}
com2: enabled=1, mode=term, dev={port}
display_library: rfb, options="timeout=0"
sound: driver=dummy
clock: sync=none, time0=1704067200
log: {self._path('bochs.log')}
panic: action=fatal
error: action=ignore
info: action=ignore
''')
        self._write('rc', 'c\n')
        with open(self._path('bochs.out'), 'wb') as out:
            self.process = subprocess.Popen(
                ['bochs', '-q', '-f', self._path('bochsrc'), '-rc', self._path('rc')],
                stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent)

    def _path(self, name):
        return os.path.join(self.work, name)

    def _write(self, name, text):
        with open(self._path(name), 'w', encoding='ascii') as f:
            f.write(text)

    def _memory(self):
        size = self.args.memory or str(MEMORY[self.args.kernel])
        return int(size[:-1]) * 1024 if size[-1] in 'gG' else int(size.rstrip('mM'))

    def _make_iso(self):
        """Bochs has no loader of its own: a CD starts the kernel."""
        top = self._path('iso')
        os.makedirs(os.path.join(top, 'isolinux'))
        shutil.copyfile(self.kernel.bzimage, os.path.join(top, 'kernel'))
        os.link(self.initramfs, os.path.join(top, 'initrd'))
        for path in self.ISOLINUX:
            shutil.copy(path, os.path.join(top, 'isolinux'))
        # There is no way to have Bochs end at a reset, so a panic waits to be seen. A processor
        # that comes back waits by MWAIT, and is never woken.
        append = APPEND + ('panic=0 idle=halt nokaslr norandmaps '
                           f'tsc_early_khz={self.RATE // 1000} '
                           + self.MODELS[self.args.host][1] + self.args.append)
        self._write('iso/isolinux/isolinux.cfg', 'default k\nprompt 0\nlabel k\nkernel /kernel\n'
                    f'append initrd=/initrd {append}\n')
        subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', '-o', self._path('boot.iso'),
                        '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot',
                        '-boot-load-size', '4', '-boot-info-table', top],
                       check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def _pty():
        """A raw pseudoterminal: our end, and the path of Bochs' end."""
        ours, theirs = os.openpty()
        tty.setraw(theirs, termios.TCSANOW)
        # theirs stays open: a terminal that nobody has open yet reads as ended.
        return ours, os.ttyname(theirs)

    def read(self, timeout):
        ended = self.process.poll() is not None
        ready = [self.tty, self.port] + [0] * self.args.live
        # Bytes come one by one: take some at a time.
        time.sleep(0 if ended else 0.02)
        ready = select.select(ready, [], [], 0 if ended else timeout)[0]
        if self.tty in ready:
            data = os.read(self.tty, 65536)
            with open(self.console, 'ab') as f:
                f.write(data)
            self._tail = (self._tail + data)[-4096:]
            self._panicked = b'end Kernel panic' in self._tail
        if 0 in ready:
            os.write(self.port, os.read(0, 256))
        if self.port in ready:
            return os.read(self.port, 65536)
        return None if ended and not ready else b''

    def panicked(self):
        return self._panicked

    def ask(self):
        os.write(self.tty, b'\nps\n')
        self._console_settles(60)
        # The debugger takes over at an interrupt.
        with open(self._path('bochs.out'), 'rb') as out:
            out.seek(0, os.SEEK_END)
            try:
                self.process.send_signal(signal.SIGINT)
                time.sleep(1)
                self.process.stdin.write(b'r\nq\n')
                self.process.stdin.flush()
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired) as e:
                return f'Bochs does not answer: {e}\n'
            said = out.read().decode(errors='replace')
        return ''.join(line + '\n' for line in said.splitlines() if line.lstrip().startswith('ri'))


def parameters(args):
    """Parameters of vmm.ko that this host needs."""
    # Bochs holds interrupts back from a guest that is entered with IF clear and leaves it so.
    return [] if args.host != 'vmx' or args.icount else ['run_limit_us=1000']


def make(args, kernel, initramfs, work):
    """The emulator for args.host."""
    kind = Qemu if args.host == 'svm' else Bochs
    return kind(args, kernel, initramfs, work)
