# SPDX-License-Identifier: GPL-2.0
"""Write an initramfs: a newc cpio archive, made in memory, no root needed."""

import os
import re
import stat
import subprocess

BUSYBOX = '/bin/busybox'


class Initramfs:
    """Files by guest path; a later add of the same path wins."""

    def __init__(self):
        self._entries = {}
        for d in ('bin', 'sbin', 'usr/bin', 'usr/sbin', 'dev', 'proc', 'sys', 'tmp', 'run',
                  'root', 'etc', 'mnt', 'var/tmp'):
            self.mkdir(d)
        self.add_bytes('etc/passwd', b'root:x:0:0:root:/root:/bin/sh\n'
                       b'nobody:x:65534:65534:nobody:/:/bin/sh\n', 0o644)
        self.add_bytes('etc/group', b'root:x:0:\nkvm:x:104:\nvmm:x:105:\nnogroup:x:65534:\n', 0o644)

    def mkdir(self, path):
        path = path.strip('/')
        parts = path.split('/')
        for i in range(1, len(parts) + 1):
            name = '/'.join(parts[:i])
            if name and name not in self._entries:
                self._entries[name] = (stat.S_IFDIR | 0o755, b'', 0, 0)

    def _parent(self, path):
        if '/' in path:
            self.mkdir(path.rsplit('/', 1)[0])

    def add_bytes(self, path, data, mode=0o755):
        path = path.strip('/')
        self._parent(path)
        self._entries[path] = (stat.S_IFREG | mode, data, 0, 0)

    def add_symlink(self, path, target):
        path = path.strip('/')
        self._parent(path)
        self._entries[path] = (stat.S_IFLNK | 0o777, target.encode(), 0, 0)

    def add_console(self):
        self._entries['dev/console'] = (stat.S_IFCHR | 0o600, b'', 5, 1)

    def add_busybox(self, program=BUSYBOX):
        """busybox, maybe another machine's, and a link for each of the applets it has here."""
        with open(program, 'rb') as f:
            self.add_bytes('bin/busybox', f.read())
        applets = subprocess.run([BUSYBOX, '--list-full'], check=True, capture_output=True,
                                 text=True).stdout.split()
        for a in applets:
            if a not in ('bin/busybox', 'linuxrc', 'init', 'sbin/init'):
                self.add_symlink(a, '/bin/busybox')

    def add_path(self, host, guest):
        """A file, with the shared libraries it needs, or a whole folder."""
        if os.path.isdir(host):
            self.mkdir(guest)
            for name in sorted(os.listdir(host)):
                self.add_path(os.path.join(host, name), guest.rstrip('/') + '/' + name)
            return
        with open(host, 'rb') as f:
            data = f.read()
        mode = stat.S_IMODE(os.stat(host).st_mode) | 0o444
        self.add_bytes(guest, data, mode)
        if data[:4] == b'\x7fELF' and (mode & 0o111 or '.so' in os.path.basename(host)):
            self._add_libraries(host)

    def _add_libraries(self, host):
        ldd = subprocess.run(['ldd', host], capture_output=True, text=True, check=False)
        for lib in re.findall(r'(?:^|\s)(/\S+) \(0x', ldd.stdout):
            with open(lib, 'rb') as f:
                self.add_bytes(lib, f.read())

    def write(self, out):
        """Write the archive to the file object out (uncompressed: TCG inflates slowly)."""
        ino = 0
        trailer = ('TRAILER!!!', (0, b'', 0, 0))
        for name, (mode, data, major, minor) in list(self._entries.items()) + [trailer]:
            ino += 1
            fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0)
            head = b'070701' + b''.join(b'%08x' % f for f in fields)
            head += name.encode() + b'\0'
            out.write(head + b'\0' * (-len(head) % 4))
            out.write(data + b'\0' * (-len(data) % 4))
