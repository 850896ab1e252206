// SPDX-License-Identifier: GPL-2.0
/* Files that are wrong: each is refused with a sentence, and none does harm. */
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images.h"
#include "tap.h"

static struct file f, initrd;

static void not_there(void)
{
	struct image img;
	struct error err;

	CHECK_EQ(image_open(&img, "/nonexistent/vmlinuz", "kernel", &err), -1);
	CHECK_EQ(err.status, EX_NOINPUT);
	CHECK_HAS(err.text, "/nonexistent/vmlinuz");
	CHECK_EQ(image_open(&img, "/tmp", "kernel", &err), -1);
	CHECK_EQ(err.status, EX_NOINPUT);
	CHECK_HAS(err.text, "directory");
	CHECK_EQ(image_open(&img, "/dev/zero", "initrd", &err), -1);
	CHECK_EQ(err.status, EX_NOINPUT);
	CHECK_HAS(err.text, "regular");
}

/* Opening a FIFO that nobody writes to must not wait. */
static void a_fifo(void)
{
	char name[] = "/tmp/vmctl-fifo-XXXXXX";
	struct image img;
	struct error err;

	CHECK(mkdtemp(name));
	CHECK_EQ(chdir(name), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	alarm(300);
	CHECK_EQ(image_open(&img, "fifo", "kernel", &err), -1);
	alarm(0);
	CHECK_EQ(err.status, EX_NOINPUT);
	unlink("fifo");
	CHECK_EQ(chdir("/"), 0);
	rmdir(name);
}

static void empty(void)
{
	memset(&f, 0, sizeof(f));
	refused(&f, EX_DATAERR, "empty");
}

static void no_kernel(void)
{
	memset(&f, 0, sizeof(f));
	memset(f.data, 'x', 5000);
	f.len = 1;
	refused(&f, EX_DATAERR, "not a kernel");
	f.len = 5000;
	refused(&f, EX_DATAERR, "not a kernel");
	memcpy(f.data, "#!/bin/sh\n", 10);
	refused(&f, EX_DATAERR, "not a kernel");
}

/* However a good file is cut, it is refused as truncated or as no kernel. */
static void truncated_everywhere(void)
{
	void (*const make[])(struct file *) = { make_bzimage, make_multiboot_elf };
	unsigned int i;
	struct trial t;
	size_t len, full;

	for (i = 0; i < 2; i++) {
		make[i](&f);
		/* A bzImage's last paragraph need not be whole. */
		full = f.len - 15;
		for (len = 1; len < full; len += len < 700 ? 1 : 97) {
			f.len = len;
			CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", NULL), -1);
			CHECK_EQ(t.err.status, EX_DATAERR);
			trial_end(&t);
		}
	}
}

static void bzimage_truncated(void)
{
	make_bzimage(&f);
	f.len -= 16;
	refused(&f, EX_DATAERR, "truncated");
	make_bzimage(&f);
	put32(&f, 0x1f4, 0xffffffff);
	refused(&f, EX_DATAERR, "truncated");
	make_bzimage(&f);
	put8(&f, 0x1f1, 255);
	refused(&f, EX_DATAERR, "truncated");
}

static void bzimage_bad_header(void)
{
	make_bzimage(&f);
	put16(&f, 0x206, 0x0201);
	refused(&f, EX_DATAERR, "2.02");
	make_bzimage(&f);
	put8(&f, 0x211, 0);
	refused(&f, EX_DATAERR, "zImage");
	make_bzimage(&f);
	put32(&f, 0x1f4, 0);
	refused(&f, EX_DATAERR, "0 bytes");
	make_bzimage(&f);
	put8(&f, 0x201, 0xff);
	refused(&f, EX_DATAERR, "setup header");
	make_bzimage(&f);
	put16(&f, 0x1fe, 0);
	refused(&f, EX_DATAERR, "not a kernel");
}

static void bzimage_bad_addresses(void)
{
	static const uint64_t prefs[] = {
		0,       0x9fc00, 0x3ffffff, UINT64_MAX, UINT64_MAX - 0x2fffff,
		4 * GiB, 3 * GiB, 1ULL << 63
	};
	unsigned int i;
	struct trial t;

	for (i = 0; i < sizeof(prefs) / sizeof(prefs[0]); i++) {
		make_bzimage(&f);
		put64(&f, 0x258, prefs[i]);
		put8(&f, 0x234, 0);
		CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", NULL), -1);
		CHECK_EQ(t.err.status, EX_DATAERR);
		trial_end(&t);
		/* A relocatable kernel goes elsewhere; high memory is out of its reach. */
		put8(&f, 0x234, 1);
		CHECK_EQ(trial_boot(&t, &f, 5 * GiB, "", NULL), 0);
		CHECK(t.boot.entry < 3 * GiB);
		trial_end(&t);
	}
	for (i = 0; i < 32; i++) {
		make_bzimage(&f);
		put64(&f, 0x258, UINT64_MAX);
		put32(&f, 0x230, (1u << i) + (i & 1));
		if (!trial_boot(&t, &f, 64 * MiB, "", NULL))
			CHECK(guest_mem_ptr(&t.mem, t.boot.entry - 0x200, 0x300000));
		else
			CHECK_EQ(t.err.status, EX_DATAERR);
		trial_end(&t);
	}
}

static void bzimage_too_big(void)
{
	struct trial t;

	make_bzimage(&f);
	put32(&f, 0x260, 0xffffffff);
	refused(&f, EX_DATAERR, "memory: 64M");
	make_bzimage(&f);
	CHECK_EQ(trial_boot(&t, &f, 4 * MiB, "", NULL), -1);
	CHECK_EQ(t.err.status, EX_DATAERR);
	CHECK_HAS(t.err.text, "memory: 4M");
	trial_end(&t);
}

static void initrd_trouble(void)
{
	struct trial t;

	make_bzimage(&f);
	memset(&initrd, 1, sizeof(initrd));
	initrd.len = 60000;
	file_write(&initrd);
	/* Room up to initrd_addr_max only where there is no memory for it. */
	put32(&f, 0x22c, 0x10ffff);
	put64(&f, 0x258, 0x100000);
	put32(&f, 0x260, 0x200000);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", &initrd), -1);
	CHECK_EQ(t.err.status, EX_DATAERR);
	CHECK_HAS(t.err.text, "initrd");
	CHECK_HAS(t.err.text, "do not fit");
	trial_end(&t);
	put32(&f, 0x22c, 0);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", &initrd), -1);
	trial_end(&t);
	/* A sparse file larger than the memory. */
	make_bzimage(&f);
	CHECK_EQ(ftruncate(initrd.fd, 1LL << 40), 0);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", &initrd), -1);
	CHECK_HAS(t.err.text, "do not fit");
	trial_end(&t);
	CHECK_EQ(ftruncate(initrd.fd, 0), 0);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", &initrd), -1);
	CHECK_HAS(t.err.text, "empty");
	trial_end(&t);
	file_close(&initrd);
	strcpy(initrd.path, "/nonexistent/initrd");
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, "", &initrd), -1);
	CHECK_EQ(t.err.status, EX_NOINPUT);
	trial_end(&t);
}

static void modules_for_linux(void)
{
	struct trial t;

	make_bzimage(&f);
	file_write(&f);
	memset(&t, 0, sizeof(t));
	CHECK_EQ(guest_mem_alloc(&t.mem, 64 * MiB), 0);
	t.boot.kernel = f.path;
	t.boot.cmdline = "";
	t.boot.mem = &t.mem;
	t.boot.modules = 1;
	t.boot.module[0] = (struct boot_module){ .path = f.path, .args = "" };
	CHECK_EQ(boot_load(&t.boot, &t.err), -1);
	CHECK_EQ(t.err.status, EX_USAGE);
	trial_end(&t);
	file_close(&f);
}

static void elf_bad_header(void)
{
	make_elf(&f, 64);
	f.data[EI_DATA] = ELFDATA2MSB;
	refused(&f, EX_DATAERR, "big-endian");
	make_elf(&f, 64);
	f.data[EI_CLASS] = 3;
	refused(&f, EX_DATAERR, "class");
	make_elf(&f, 64);
	put16(&f, 18, EM_AARCH64);
	refused(&f, EX_DATAERR, "another machine");
	make_elf(&f, 32);
	put16(&f, 16, ET_REL);
	refused(&f, EX_DATAERR, "not an executable");
	make_elf(&f, 64);
	put16(&f, 56, 0);
	refused(&f, EX_DATAERR, "program headers");
	make_elf(&f, 64);
	put16(&f, 56, 0xffff);
	refused(&f, EX_DATAERR, "program headers");
	make_elf(&f, 64);
	put16(&f, 54, 1);
	refused(&f, EX_DATAERR, "program headers");
	make_elf(&f, 64);
	put64(&f, 32, UINT64_MAX - 8);
	refused(&f, EX_DATAERR, "truncated");
	make_elf(&f, 64);
	put64(&f, 40, 1 << 20); /* section headers beyond the end */
	put16(&f, 58, 64);
	put16(&f, 60, 30);
	refused(&f, EX_DATAERR, "truncated");
	make_elf(&f, 64);
	f.len = 20;
	refused(&f, EX_DATAERR, "truncated");
}

/* Program header fields of the segment: offset, physical address, sizes. */
static void elf_bad_segment(void)
{
	const size_t ph = sizeof(Elf64_Ehdr);

	make_elf(&f, 64);
	put64(&f, ph + 8, UINT64_MAX);
	refused(&f, EX_DATAERR, "truncated");
	make_elf(&f, 64);
	put64(&f, ph + 8, 8000);
	refused(&f, EX_DATAERR, "truncated");
	make_elf(&f, 64);
	put64(&f, ph + 32, 20000); /* more in the file than in memory */
	refused(&f, EX_DATAERR, "larger");
	make_elf(&f, 64);
	put64(&f, ph + 40, UINT64_MAX);
	refused(&f, EX_DATAERR, "memory");
	make_elf(&f, 64);
	put64(&f, ph + 24, UINT64_MAX - 4096);
	refused(&f, EX_DATAERR, "memory");
	make_elf(&f, 64);
	put64(&f, ph + 24, 64 * MiB - 4096);
	refused(&f, EX_DATAERR, "memory: 64M");
	make_elf(&f, 64);
	put64(&f, ph + 24, 0xa0000);
	refused(&f, EX_DATAERR, "memory");
	make_elf(&f, 64);
	put64(&f, ph + 24, 0x8000);
	refused(&f, EX_DATAERR, "overlaps the boot data");
	make_elf(&f, 64);
	put32(&f, ph, PT_NULL);
	refused(&f, EX_DATAERR, "anything to load");
}

static void elf_bad_note(void)
{
	const size_t note = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);

	make_elf(&f, 64);
	put64(&f, note + 32, UINT64_MAX);
	refused(&f, EX_DATAERR, "notes");
	make_elf(&f, 64);
	put64(&f, note + 32, 9000);
	refused(&f, EX_DATAERR, "truncated");
	make_elf(&f, 64);
	put32(&f, 512, 0xffffffff); /* name size */
	refused(&f, EX_DATAERR, "not a kernel");
	make_elf(&f, 64);
	put32(&f, 516, 0xfffffffd); /* descriptor size */
	refused(&f, EX_DATAERR, "not a kernel");
	make_elf(&f, 64);
	put32(&f, 516, 2);
	refused(&f, EX_DATAERR, "not a kernel");
	make_elf(&f, 64);
	put32(&f, 528, 0x70000000); /* entry point */
	refused(&f, EX_DATAERR, "entry point");
	make_elf(&f, 64);
	put64(&f, note + 32, 24);
	put32(&f, 516, 8);
	put32(&f, 532, 1);
	refused(&f, EX_DATAERR, "entry point");
}

static void multiboot_bad_header(void)
{
	make_multiboot(&f);
	put32(&f, 72, 1);
	refused(&f, EX_DATAERR, "not a kernel");
	make_multiboot(&f);
	put32(&f, 68, 0x00010103);
	put32(&f, 72, -(0x1badb002 + 0x00010103));
	refused(&f, EX_DATAERR, "unknown features");
	make_multiboot(&f);
	put32(&f, 68, 3);
	put32(&f, 72, -(0x1badb002 + 3));
	refused(&f, EX_DATAERR, "no ELF");
}

static void multiboot_bad_addresses(void)
{
	make_multiboot(&f);
	put32(&f, 76, 0x200041); /* begins before the file */
	refused(&f, EX_DATAERR, "before the file");
	make_multiboot(&f);
	put32(&f, 80, 0x300000);
	refused(&f, EX_DATAERR, "before the file");
	make_multiboot(&f);
	put32(&f, 84, 0x1fffff);
	refused(&f, EX_DATAERR, "text");
	make_multiboot(&f);
	put32(&f, 84, 0x203000);
	refused(&f, EX_DATAERR, "truncated");
	make_multiboot(&f);
	put32(&f, 88, 0x201000);
	refused(&f, EX_DATAERR, "bss");
	make_multiboot(&f);
	put32(&f, 88, 0xffffffff);
	refused(&f, EX_DATAERR, "memory");
	make_multiboot(&f);
	put32(&f, 92, 0xffffffff);
	refused(&f, EX_DATAERR, "entry point");
	make_multiboot(&f);
	put32(&f, 76, 0xffffffc0);
	put32(&f, 80, 0xffffff80);
	put32(&f, 84, 0);
	put32(&f, 88, 0);
	refused(&f, EX_DATAERR, "memory");
}

static void long_strings(void)
{
	static char line[70000];
	struct trial t;

	memset(line, 'x', sizeof(line) - 1);
	make_multiboot(&f);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, line, NULL), -1);
	CHECK_EQ(t.err.status, EX_USAGE);
	CHECK_HAS(t.err.text, "65536");
	trial_end(&t);
	make_elf(&f, 64);
	CHECK_EQ(trial_boot(&t, &f, 64 * MiB, line, NULL), -1);
	CHECK_EQ(t.err.status, EX_USAGE);
	trial_end(&t);
}

/* Random damage: never more than a refusal (the sanitizers see the rest). */
static void random_damage(void)
{
	void (*const make[])(struct file *) = { make_bzimage, make_multiboot, make_multiboot_elf };
	unsigned int i, j, n, loaded = 0, refusals = 0;
	static const uint32_t edge[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000 };
	struct trial t;

	srandom(1);
	for (i = 0; i < 3000; i++) {
		if (i % 5 < 3)
			make[i % 5](&f);
		else
			make_elf(&f, i % 5 == 3 ? 32 : 64);
		n = 1 + (unsigned int)random() % 4;
		for (j = 0; j < n; j++) {
			size_t off = (size_t)random() % 0x290;

			if (random() & 1)
				put8(&f, off, (uint8_t)random());
			else
				put32(&f, off & ~3ul, edge[random() % 6]);
		}
		if (!trial_boot(&t, &f, 64 * MiB, "x", NULL)) {
			CHECK(guest_mem_ptr(&t.mem, t.boot.entry, 1));
			loaded++;
		} else {
			CHECK(t.err.status == EX_DATAERR || t.err.status == EX_USAGE);
			refusals++;
		}
		trial_end(&t);
	}
	CHECK(loaded && refusals);
}

TAP_MAIN(TEST(not_there), TEST(a_fifo), TEST(empty), TEST(no_kernel), TEST(truncated_everywhere),
	 TEST(bzimage_truncated), TEST(bzimage_bad_header), TEST(bzimage_bad_addresses),
	 TEST(bzimage_too_big), TEST(initrd_trouble), TEST(modules_for_linux), TEST(elf_bad_header),
	 TEST(elf_bad_segment), TEST(elf_bad_note), TEST(multiboot_bad_header),
	 TEST(multiboot_bad_addresses), TEST(long_strings), TEST(random_damage));
