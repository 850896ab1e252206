# SPDX-License-Identifier: GPL-2.0
"""The kernel's own netlink tool (tools/net/ynl) of Debian's backports, and a Python to run it."""

import os
import subprocess

from debian import Apt, cached

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# Another name whenever what is in it changes.
CACHED = 'ynl-1'
SOURCE = 'linux-source-6.12'
PYTHON = ('libpython3.11-stdlib', 'libpython3.11-minimal', 'python3.11-minimal', 'python3-yaml')


def fill(work, out):
    """Fetch the packages, and leave in out the tool, and Python as it stands in its packages."""
    apt = Apt('amd64', os.path.join(work, 'backports'), 'bookworm-backports')
    apt.run('apt-get', 'update')
    subprocess.run(['dpkg-deb', '-x', apt.download(SOURCE), os.path.join(work, 'source')],
                   check=True)
    subprocess.run(['tar', '-xJf', os.path.join(work, f'source/usr/src/{SOURCE}.tar.xz'), '-C', out,
                    '--strip-components=3', '--wildcards', '*/tools/net/ynl/*.py'], check=True)
    apt = Apt('amd64', os.path.join(work, 'stable'))
    apt.run('apt-get', 'update')
    for package in PYTHON:
        subprocess.run(['dpkg-deb', '-x', apt.download(package), os.path.join(out, 'python')],
                       check=True)


def options():
    """run-host's options; Missing if something cannot be had."""
    there = cached(CACHED, fill)
    files = {os.path.join(there, 'ynl'): '/ynl',
             os.path.join(there, 'python/usr/bin/python3.11'): '/usr/bin/python3',
             os.path.join(there, 'python/usr/lib/python3.11'): '/usr/lib/python3.11',
             os.path.join(there, 'python/usr/lib/python3'): '/usr/lib/python3',
             os.path.join(TOP, 'Documentation/netlink/specs/vmm.yaml'): '/vmm.yaml',
             os.path.join(HERE, 'ynl.sh'): '/ynl.sh'}
    return [o for path, name in files.items() for o in ('--file', f'{path}:{name}')]
