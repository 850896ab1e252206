# SPDX-License-Identifier: GPL-2.0
"""Packages that this machine does not have, from Debian, by apt with a state of its own.

Nothing is installed, and the machine's lists of sources and architectures stay what they are.
"""

import os
import subprocess
import sys
import tempfile
import time

from kernels import Missing

CACHE = os.environ.get('VMM_CACHE', os.path.join(
    os.environ.get('XDG_CACHE_HOME', os.path.expanduser('~/.cache')), 'vmm'))


class Apt:
    """apt for one architecture and release, with its state in a folder."""

    def __init__(self, arch, folder, release='bookworm'):
        self.folder = folder
        for d in ('lists/partial', 'cache/archives/partial', 'debs'):
            os.makedirs(os.path.join(folder, d))
        sources = os.path.join(folder, 'sources.list')
        with open(sources, 'w', encoding='ascii') as f:
            f.write(f'deb http://deb.debian.org/debian {release} main\n')
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


def cached(name, fill):
    """The folder name of the cache; fill(work, out) makes it, in out, when it is first wanted."""
    there = os.path.join(CACHE, name)
    if os.path.isdir(there):
        return there
    os.makedirs(CACHE, exist_ok=True)
    # What comes by the network may come later.
    for pause in (20, 60, 180, 0):
        try:
            with tempfile.TemporaryDirectory(dir=CACHE) as work:
                out = os.path.join(work, 'out')
                os.makedirs(out)
                fill(work, out)
                os.rename(out, there)
            break
        except Missing as error:
            if not pause:
                raise
            print(f'{error}: once more in {pause} s', file=sys.stderr)
            time.sleep(pause)
    return there
