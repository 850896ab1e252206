# SPDX-License-Identifier: GPL-2.0
"""Kernels for guests that are not this machine's own, from Debian's packages.

Fetched and unpacked once, into the cache, by apt with a state of its own: nothing is installed,
and the machine's list of architectures stays what it is.
"""

import gzip
import io
import os
import shutil
import subprocess
import tempfile

from initramfs import Initramfs
from kernels import Missing

HERE = os.path.dirname(os.path.abspath(__file__))
# Another name whenever what is in it changes.
CACHE = os.path.join(os.environ.get('VMM_CACHE', os.path.expanduser('~/.cache/vmm')), 'foreign-2')
SOURCE = 'deb http://deb.debian.org/debian bookworm main\n'
# Packages by architecture.
PACKAGES = {'amd64': ('memtest86+', 'xen-hypervisor-4.17-amd64'),
            'i386': ('busybox-static', 'linux-image-686', 'linux-image-686-pae')}
# What comes out: name here, beginning of the name in a package.
FILES = {'memtest.bin': 'boot/memtest86+x64.bin', 'xen.gz': 'boot/xen-4.17-amd64.gz',
         'busybox': 'bin/busybox',
         'linux-686': 'boot/vmlinuz-', 'linux-686-pae': 'boot/vmlinuz-'}


class Apt:
    """apt for one architecture, with its state in a folder."""

    def __init__(self, arch, folder):
        self.folder = folder
        for d in ('lists/partial', 'cache/archives/partial', 'debs'):
            os.makedirs(os.path.join(folder, d))
        sources = os.path.join(folder, 'sources.list')
        with open(sources, 'w', encoding='ascii') as f:
            f.write(SOURCE)
        self.options = [x for o in (
            f'APT::Architecture={arch}', f'APT::Architectures={arch}', 'APT::Sandbox::User=',
            f'Dir::State::lists={folder}/lists', f'Dir::Cache={folder}/cache',
            'Dir::State::status=/dev/null', f'Dir::Etc::sourcelist={sources}',
            'Dir::Etc::sourceparts=-', 'Acquire::Languages=none') for x in ('-o', o)]

    def run(self, tool, *arguments):
        """Run apt-get or apt-cache; its output."""
        done = subprocess.run([tool, '-qq', *self.options, *arguments], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=os.path.join(self.folder, 'debs'))
        if done.returncode:
            raise Missing(f'{tool} {" ".join(arguments)}: {done.stdout.strip()}')
        return done.stdout

    def real(self, package):
        """The package that has the files: kernels are dependencies."""
        for line in self.run('apt-cache', 'depends', package).splitlines():
            if line.strip().startswith('Depends: linux-image-'):
                return line.split()[-1]
        return package

    def download(self, package):
        """The package's file."""
        before = set(os.listdir(os.path.join(self.folder, 'debs')))
        self.run('apt-get', 'download', self.real(package))
        new = set(os.listdir(os.path.join(self.folder, 'debs'))) - before
        return os.path.join(self.folder, 'debs', new.pop())


def unpack(deb, folder):
    """Unpack a package, without its thousands of modules."""
    os.makedirs(folder)
    with subprocess.Popen(['dpkg-deb', '--fsys-tarfile', deb], stdout=subprocess.PIPE) as tar:
        subprocess.run(['tar', '-x', '-C', folder, '--exclude', './lib', '--exclude', './usr'],
                       stdin=tar.stdout, check=True)


def pick(package, folder, out):
    """Move what FILES wants of an unpacked package to out."""
    for name, start in FILES.items():
        if package.startswith('linux-image') and name != package.replace('linux-image', 'linux'):
            continue
        where = os.path.join(folder, os.path.dirname(start))
        for f in os.listdir(where) if os.path.isdir(where) else ():
            if f.startswith(os.path.basename(start)):
                shutil.move(os.path.join(where, f), os.path.join(out, name))


def gunzip(out, name):
    """Unpack NAME.gz: boot loaders do it for a kernel, vmctl does not."""
    with gzip.open(os.path.join(out, name + '.gz'), 'rb') as f, \
            open(os.path.join(out, name), 'wb') as plain:
        shutil.copyfileobj(f, plain)
    os.remove(os.path.join(out, name + '.gz'))


def make_initrd(out):
    """An initrd of 32-bit programs that says what it found, and switches the guest off."""
    fs = Initramfs()
    fs.add_console()
    fs.add_busybox(os.path.join(out, 'busybox'))
    fs.add_path(os.path.join(HERE, '../boot/guest-init'), '/init')
    plain = io.BytesIO()
    fs.write(plain)
    with gzip.open(os.path.join(out, 'initrd-686.gz'), 'wb') as f:
        f.write(plain.getvalue())


def fetch():
    """The folder with the files; Missing if they cannot be had."""
    if os.path.isdir(CACHE):
        return CACHE
    os.makedirs(os.path.dirname(CACHE), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(CACHE)) as work:
        out = os.path.join(work, 'out')
        os.makedirs(out)
        for arch, packages in PACKAGES.items():
            apt = Apt(arch, os.path.join(work, arch))
            apt.run('apt-get', 'update')
            for package in packages:
                folder = os.path.join(work, 'x-' + package)
                unpack(apt.download(package), folder)
                pick(package, folder, out)
        gunzip(out, 'xen')
        make_initrd(out)
        os.rename(out, CACHE)
    return CACHE
