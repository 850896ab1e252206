// SPDX-License-Identifier: GPL-2.0
#include "images.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

void put8(struct file *f, size_t off, uint8_t val)
{
	f->data[off] = val;
}

void put16(struct file *f, size_t off, uint16_t val)
{
	memcpy(f->data + off, &val, sizeof(val));
}

void put32(struct file *f, size_t off, uint32_t val)
{
	memcpy(f->data + off, &val, sizeof(val));
}

void put64(struct file *f, size_t off, uint64_t val)
{
	memcpy(f->data + off, &val, sizeof(val));
}

static void fill(struct file *f, size_t off, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		f->data[off + i] = (uint8_t)(i * 7 + 1);
}

/* Offsets: Linux Documentation/arch/x86/boot.rst. */
void make_bzimage(struct file *f)
{
	memset(f, 0, sizeof(*f));
	f->len = BZ_SIZE;
	put8(f, 0x1f1, BZ_SETUP_SECTS);
	put32(f, 0x1f4, BZ_PAYLOAD / 16);
	put16(f, 0x1fe, 0xaa55);
	put16(f, 0x200, 0x6aeb);
	put32(f, 0x202, 0x53726448);
	put16(f, 0x206, 0x020f);
	put8(f, 0x211, 0x01); /* loaded high */
	put32(f, 0x214, 0x100000);
	put32(f, 0x22c, 0x7fffffff); /* initrd_addr_max */
	put32(f, 0x230, 0x200000);   /* alignment */
	put8(f, 0x234, 1);           /* relocatable */
	put16(f, 0x236, 0x0001);     /* 64-bit entry */
	put32(f, 0x238, 2047);       /* command line */
	put64(f, 0x258, 0x1000000);  /* preferred address */
	put32(f, 0x260, 0x300000);   /* init_size */
	fill(f, (BZ_SETUP_SECTS + 1) * 512, BZ_PAYLOAD);
}

static void make_elf64(struct file *f)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)f->data;
	Elf64_Phdr *p = (Elf64_Phdr *)(f->data + sizeof(*e));

	*e = (Elf64_Ehdr){ .e_type = ET_EXEC,
			   .e_machine = EM_X86_64,
			   .e_version = 1,
			   .e_entry = 0xffffffff80000100,
			   .e_phoff = sizeof(*e),
			   .e_ehsize = sizeof(*e),
			   .e_phentsize = sizeof(*p),
			   .e_phnum = 2 };
	p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_offset = 4096,
			     .p_vaddr = 0xffffffff80000000,
			     .p_paddr = 0x200000,
			     .p_filesz = 4096,
			     .p_memsz = 16384 };
	p[1] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = 512, .p_filesz = 20 };
}

static void make_elf32(struct file *f)
{
	Elf32_Ehdr *e = (Elf32_Ehdr *)f->data;
	Elf32_Phdr *p = (Elf32_Phdr *)(f->data + sizeof(*e));

	*e = (Elf32_Ehdr){ .e_type = ET_EXEC,
			   .e_machine = EM_386,
			   .e_version = 1,
			   .e_entry = 0x200100,
			   .e_phoff = sizeof(*e),
			   .e_ehsize = sizeof(*e),
			   .e_phentsize = sizeof(*p),
			   .e_phnum = 2 };
	p[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
			     .p_offset = 4096,
			     .p_vaddr = 0x200000,
			     .p_paddr = 0x200000,
			     .p_filesz = 4096,
			     .p_memsz = 16384 };
	p[1] = (Elf32_Phdr){ .p_type = PT_NOTE, .p_offset = 512, .p_filesz = 20 };
}

void make_elf(struct file *f, int bits)
{
	memset(f, 0, sizeof(*f));
	f->len = ELF_SIZE;
	if (bits == 64)
		make_elf64(f);
	else
		make_elf32(f);
	memcpy(f->data, ELFMAG, SELFMAG);
	f->data[EI_CLASS] = bits == 64 ? ELFCLASS64 : ELFCLASS32;
	f->data[EI_DATA] = ELFDATA2LSB;
	f->data[EI_VERSION] = 1;
	put32(f, 512, 4);
	put32(f, 516, 4);
	put32(f, 520, 18);
	memcpy(f->data + 524, "Xen", 4);
	put32(f, 528, 0x200040);
	fill(f, 4096, 4096);
}

static void multiboot_header(struct file *f, size_t off, uint32_t flags)
{
	put32(f, off, 0x1badb002);
	put32(f, off + 4, flags);
	put32(f, off + 8, -(0x1badb002 + flags));
}

void make_multiboot(struct file *f)
{
	memset(f, 0, sizeof(*f));
	f->len = 8192;
	fill(f, 0, f->len);
	multiboot_header(f, 64, 0x00010003);
	put32(f, 76, 0x200040); /* header_addr */
	put32(f, 80, 0x200000); /* load_addr */
	put32(f, 84, 0x202000); /* load_end_addr */
	put32(f, 88, 0x206000); /* bss_end_addr */
	put32(f, 92, 0x200100); /* entry_addr */
}

void make_multiboot_elf(struct file *f)
{
	make_elf(f, 32);
	put32(f, 520, 17); /* a note, but another one */
	multiboot_header(f, 4096, 0x00000003);
}

void file_write(struct file *f)
{
	f->fd = memfd_create("image", 0);
	CHECK(f->fd >= 0);
	CHECK_EQ(write(f->fd, f->data, f->len), f->len);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

void file_close(struct file *f)
{
	close(f->fd);
}

int trial_boot(struct trial *t, struct file *f, uint64_t memory, const char *cmdline,
	       struct file *initrd)
{
	int ret;

	memset(t, 0, sizeof(*t));
	CHECK_EQ(guest_mem_alloc(&t->mem, memory), 0);
	file_write(f);
	t->boot.kernel = f->path;
	t->boot.cmdline = cmdline;
	t->boot.mem = &t->mem;
	t->boot.rsdp = MEM_ACPI;
	if (initrd) {
		t->boot.module[0] = (struct boot_module){ .path = initrd->path, .args = "" };
		t->boot.modules = 1;
		t->boot.has_initrd = true;
	}
	ret = boot_load(&t->boot, &t->err);
	file_close(f);
	return ret;
}

void trial_end(struct trial *t)
{
	guest_mem_free(&t->mem);
}

void refused(struct file *f, int status, const char *text)
{
	struct trial t;

	CHECK_EQ(trial_boot(&t, f, 64 * MiB, "", NULL), -1);
	CHECK_EQ(t.err.status, status);
	CHECK_HAS(t.err.text, text);
	CHECK_HAS(t.err.text, f->path); /* says which file */
	trial_end(&t);
}
