#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Where a test host's kernel, its modules and its build folder are."""

import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Missing(Exception):
    """Something has to be installed or built first; the text says what."""


def _newest(pattern):
    """The path with the highest version number in its name."""
    def key(path):
        return [int(n) for n in re.findall(r'\d+', path)]
    return max(glob.glob(pattern), key=key, default=None)


class Kernel:
    """name: stock, backports, slim or debug."""

    def __init__(self, name):
        self.name = name
        if name in ('slim', 'debug'):
            self._built()
        else:
            self._packaged(name)
        self._index = None

    def _built(self):
        # stderr stays visible: a first build takes minutes.
        done = subprocess.run([os.path.join(HERE, 'build-kernel'), self.name],
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Missing(f'the {self.name} kernel could not be built')
        self.build = done.stdout.strip()
        self.modules = self.build
        # A slim vmlinux starts by PVH, sooner than a bzImage; a KASAN one does not.
        self.bzimage = os.path.join(self.build, 'arch/x86/boot/bzImage')
        self.image = os.path.join(self.build, 'vmlinux') if self.name == 'slim' else self.bzimage

    def _packaged(self, name):
        pattern = {'stock': '/boot/vmlinuz-6.1.*-amd64',
                   'backports': '/boot/vmlinuz-6.12.*-amd64'}[name]
        self.image = _newest(pattern)
        if not self.image:
            extra = ' -t bookworm-backports' if name == 'backports' else ''
            raise Missing(f'no {pattern}: apt-get install{extra} '
                          'linux-image-amd64 linux-headers-amd64')
        self.bzimage = self.image
        release = os.path.basename(self.image)[len('vmlinuz-'):]
        self.modules = f'/lib/modules/{release}'
        self.build = f'/lib/modules/{release}/build'
        if not os.path.isdir(self.build):
            self.build = f'/usr/src/linux-headers-{release}'

    def module(self, name):
        """The path of in-tree module name."""
        if self._index is None:
            self._index = {}
            for folder, _, files in os.walk(self.modules):
                for f in files:
                    if f.endswith('.ko'):
                        self._index[f[:-3].replace('-', '_')] = os.path.join(folder, f)
        path = self._index.get(name.replace('-', '_'))
        if not path:
            raise Missing(f'kernel {self.name} has no module {name}')
        return path

    def module_closure(self, names):
        """Paths of the named modules and what they depend on, in loading order."""
        order = []

        def visit(name):
            path = self.module(name)
            if path in order:
                return
            deps = subprocess.run(['/sbin/modinfo', '-F', 'depends', path], check=True,
                                  capture_output=True, text=True).stdout.strip()
            for dep in filter(None, deps.split(',')):
                visit(dep)
            order.append(path)

        for n in names:
            visit(n)
        return order


def build_vmm(kernel, counting=False):
    """Build vmm.ko for kernel, if wanted with counters of its lines; returns the folder it is in."""
    out = os.path.join(TOP, 'build', kernel.name + '-coverage' * counting)
    done = subprocess.run([os.path.join(TOP, 'scripts/build-module'), kernel.build, out,
                           *['GCOV_PROFILE=y'] * counting],
                          stdout=sys.stderr, check=False)
    if done.returncode:
        raise Missing(f'building vmm.ko for the {kernel.name} kernel failed')
    return out


if __name__ == '__main__':
    try:
        print(Kernel(sys.argv[1]).build)
    except Missing as e:
        sys.exit(f'kernels: {e}')
