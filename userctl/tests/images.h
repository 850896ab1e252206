/* SPDX-License-Identifier: GPL-2.0 */
/* Kernel files made in memory, right at first, for tests to spoil. */
#ifndef TESTS_IMAGES_H
#define TESTS_IMAGES_H

#include <stddef.h>
#include <stdint.h>

#include "../boot/boot.h"

#define BZ_SETUP_SECTS 3
#define BZ_PAYLOAD     8192
#define BZ_SIZE        ((BZ_SETUP_SECTS + 1) * 512 + BZ_PAYLOAD)
#define ELF_SIZE       8192
#define FILE_MAX       65536

/**
 * struct file - a file in the making
 * @data: contents
 * @len: bytes of it that the file gets
 * @fd: the file, an anonymous one
 * @path: its name
 */
struct file {
	uint8_t data[FILE_MAX];
	size_t len;
	int fd;
	char path[64];
};

void put8(struct file *f, size_t off, uint8_t val);
void put16(struct file *f, size_t off, uint16_t val);
void put32(struct file *f, size_t off, uint32_t val);
void put64(struct file *f, size_t off, uint64_t val);

/* A relocatable bzImage of protocol 2.15 with a 64-bit entry, its payload counting bytes. */
void make_bzimage(struct file *f);

/* An ELF32 or ELF64 executable: one segment at 2 MiB, and a note with a PVH entry point. */
void make_elf(struct file *f, int bits);

/* A flat file with a multiboot header that gives addresses. */
void make_multiboot(struct file *f);

/* An ELF32 file with a multiboot header in its segment, and no note. */
void make_multiboot_elf(struct file *f);

/**
 * struct trial - one attempt to boot
 * @mem: guest memory
 * @boot: what was loaded
 * @err: why not
 */
struct trial {
	struct guest_mem mem;
	struct boot boot;
	struct error err;
};

/* Write @f out and open it under @f->path; file_close() removes it. */
void file_write(struct file *f);
void file_close(struct file *f);

/**
 * trial_boot() - load a kernel into fresh memory
 * @t: the attempt; trial_end() frees it
 * @f: kernel, written out here
 * @memory: bytes of guest memory
 * @cmdline: command line
 * @initrd: file to be the first module, written out already, or NULL
 *
 * Return: what boot_load() did.
 */
int trial_boot(struct trial *t, struct file *f, uint64_t memory, const char *cmdline,
	       struct file *initrd);
void trial_end(struct trial *t);

/* Boots @f and checks that it is refused with @status and @text in the message. */
void refused(struct file *f, int status, const char *text);

#endif
