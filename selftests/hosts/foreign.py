# SPDX-License-Identifier: GPL-2.0
"""Kernels for guests that are not this machine's own, from Debian's packages.

Fetched and unpacked once, into the cache.
"""

import gzip
import io
import os
import shutil
import subprocess

from debian import Apt, cached
from initramfs import Initramfs

HERE = os.path.dirname(os.path.abspath(__file__))
# Another name whenever what is in it changes.
CACHED = 'foreign-2'
# Packages by architecture.
PACKAGES = {'amd64': ('memtest86+', 'xen-hypervisor-4.17-amd64'),
            'i386': ('busybox-static', 'linux-image-686', 'linux-image-686-pae')}
# What comes out: name here, beginning of the name in a package.
FILES = {'memtest.bin': 'boot/memtest86+x64.bin', 'xen.gz': 'boot/xen-4.17-amd64.gz',
         'busybox': 'bin/busybox',
         'linux-686': 'boot/vmlinuz-', 'linux-686-pae': 'boot/vmlinuz-'}


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


def fill(work, out):
    """Fetch the packages, and leave in out what is wanted of them."""
    for arch, packages in PACKAGES.items():
        apt = Apt(arch, os.path.join(work, arch))
        apt.run('apt-get', 'update')
        for package in packages:
            folder = os.path.join(work, 'x-' + package)
            unpack(apt.download(package), folder)
            pick(package, folder, out)
    gunzip(out, 'xen')
    make_initrd(out)


def fetch():
    """The folder with the files; Missing if they cannot be had."""
    return cached(CACHED, fill)
