# SPDX-License-Identifier: GPL-2.0
"""The QEMU of Debian's backports, unpacked into the cache beside the one that is installed.

Its libraries are Debian 12's own, which the installed QEMU needs, too.
"""

import os
import subprocess

from debian import Apt, cached

# Another name whenever what is in it changes.
CACHED = 'qemu-backports-1'
# Cases it has no part in: under KVM it has no interrupt controllers of its own any more.
NOT_THERE = ('pc_off', 'q35_off')
PACKAGES = ('qemu-system-x86', 'qemu-system-data', 'seabios')


def fill(work, out):
    """Fetch the packages, and unpack them in out."""
    apt = Apt('amd64', os.path.join(work, 'apt'), 'bookworm-backports')
    apt.run('apt-get', 'update')
    for package in PACKAGES:
        subprocess.run(['dpkg-deb', '-x', apt.download(package), out], check=True)


def fetch():
    """The folder that stands for /; Missing if it cannot be had."""
    return cached(CACHED, fill)


def version(root):
    """What QEMU there says it is."""
    said = subprocess.run([os.path.join(root, 'usr/bin/qemu-system-x86_64'), '--version'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    return said.splitlines()[0]
