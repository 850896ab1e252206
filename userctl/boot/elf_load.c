// SPDX-License-Identifier: GPL-2.0
/* System V ABI, chapters 4 and 5 (object files, program loading). */
#include "elf_load.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define PHDRS_MAX                64
#define NOTES_MAX                (1 * MiB)
#define XEN_ELFNOTE_PHYS32_ENTRY 18 /* Xen public headers, xen/elfnote.h */

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t off, vaddr, paddr, filesz, memsz;
};

struct elf_file {
	uint64_t entry;
	unsigned int count;
	struct segment seg[PHDRS_MAX];
};

bool elf_is(const struct image *img)
{
	unsigned char ident[EI_NIDENT];
	struct error err;

	if (image_read(img, 0, ident, sizeof(ident), "ELF identification", &err))
		return false;
	return !memcmp(ident, ELFMAG, SELFMAG);
}

/* 32-bit fields widen without loss. */
static Elf64_Ehdr widen(const Elf32_Ehdr *e)
{
	return (Elf64_Ehdr){
		.e_type = e->e_type,
		.e_machine = e->e_machine,
		.e_entry = e->e_entry,
		.e_phoff = e->e_phoff,
		.e_shoff = e->e_shoff,
		.e_phentsize = e->e_phentsize,
		.e_phnum = e->e_phnum,
		.e_shentsize = e->e_shentsize,
		.e_shnum = e->e_shnum,
	};
}

static int read_ehdr(const struct image *img, Elf64_Ehdr *ehdr, bool *is64, struct error *err)
{
	unsigned char ident[EI_NIDENT];
	Elf32_Ehdr ehdr32;

	if (image_read(img, 0, ident, sizeof(ident), "ELF identification", err))
		return -1;
	if (ident[EI_DATA] != ELFDATA2LSB)
		return image_bad(img, err, "ELF, but big-endian");
	*is64 = ident[EI_CLASS] == ELFCLASS64;
	if (*is64)
		return image_read(img, 0, ehdr, sizeof(*ehdr), "ELF header", err);
	if (ident[EI_CLASS] != ELFCLASS32)
		return image_bad(img, err, "ELF of an unknown class");
	if (image_read(img, 0, &ehdr32, sizeof(ehdr32), "ELF header", err))
		return -1;
	*ehdr = widen(&ehdr32);
	return 0;
}

static int check_ehdr(const struct image *img, const Elf64_Ehdr *ehdr, bool is64, struct error *err)
{
	uint64_t sections = (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;

	if (ehdr->e_machine != EM_386 && ehdr->e_machine != EM_X86_64)
		return image_bad(img, err, "ELF for another machine (e_machine %u)",
				 ehdr->e_machine);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return image_bad(img, err, "ELF, but not an executable (e_type %u)", ehdr->e_type);
	if (!ehdr->e_phnum || ehdr->e_phnum > PHDRS_MAX)
		return image_bad(img, err, "ELF with %u program headers, 1 to %u are possible",
				 ehdr->e_phnum, PHDRS_MAX);
	if (ehdr->e_phentsize != (is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return image_bad(img, err, "ELF with program headers of %u bytes",
				 ehdr->e_phentsize);
	/* Nothing of it is needed, but a linker puts it last: a cut file shows here. */
	if (sections && (ehdr->e_shoff > img->size || sections > img->size - ehdr->e_shoff))
		return image_bad(img, err,
				 "truncated: its section headers end at %llu of %llu bytes",
				 (unsigned long long)(ehdr->e_shoff + sections),
				 (unsigned long long)img->size);
	return 0;
}

static int read_phdrs(const struct image *img, const Elf64_Ehdr *ehdr, bool is64,
		      struct elf_file *elf, struct error *err)
{
	union {
		Elf64_Phdr p64[PHDRS_MAX];
		Elf32_Phdr p32[PHDRS_MAX];
	} u;
	unsigned int i;

	if (image_read(img, ehdr->e_phoff, &u, (uint64_t)ehdr->e_phnum * ehdr->e_phentsize,
		       "program header table", err))
		return -1;
	elf->entry = ehdr->e_entry;
	elf->count = ehdr->e_phnum;
	for (i = 0; i < elf->count; i++) {
		if (is64)
			elf->seg[i] = (struct segment){ u.p64[i].p_type,   u.p64[i].p_offset,
							u.p64[i].p_vaddr,  u.p64[i].p_paddr,
							u.p64[i].p_filesz, u.p64[i].p_memsz };
		else
			elf->seg[i] = (struct segment){ u.p32[i].p_type,   u.p32[i].p_offset,
							u.p32[i].p_vaddr,  u.p32[i].p_paddr,
							u.p32[i].p_filesz, u.p32[i].p_memsz };
	}
	return 0;
}

static int elf_parse(const struct image *img, struct elf_file *elf, struct error *err)
{
	Elf64_Ehdr ehdr;
	bool is64 = false;

	if (read_ehdr(img, &ehdr, &is64, err) || check_ehdr(img, &ehdr, is64, err))
		return -1;
	return read_phdrs(img, &ehdr, is64, elf, err);
}

static uint64_t align4(uint64_t v)
{
	return (v + 3) & ~3ULL;
}

/* A note is {name size, descriptor size, type}, the name, the descriptor, each 4-byte aligned. */
static bool scan_notes(const uint8_t *p, uint64_t len, uint64_t *entry)
{
	Elf64_Nhdr n;
	uint64_t name, desc, value;

	while (len >= sizeof(n)) {
		memcpy(&n, p, sizeof(n));
		p += sizeof(n);
		len -= sizeof(n);
		name = align4(n.n_namesz);
		desc = align4(n.n_descsz);
		if (name > len || desc > len - name)
			return false;
		if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
		    !memcmp(p, "Xen", 4) && (n.n_descsz == 4 || n.n_descsz == 8)) {
			value = 0;
			memcpy(&value, p + name, n.n_descsz);
			*entry = value;
			return true;
		}
		p += name + desc;
		len -= name + desc;
	}
	return false;
}

static int read_notes(const struct image *img, const struct segment *seg, uint64_t *entry,
		      struct error *err)
{
	uint8_t *notes;
	int ret;

	if (!seg->filesz)
		return 0;
	if (seg->filesz > NOTES_MAX)
		return image_bad(img, err, "ELF with %llu bytes of notes",
				 (unsigned long long)seg->filesz);
	notes = malloc(seg->filesz);
	if (!notes)
		return fault(err, EX_OSERR, "out of memory");
	ret = image_read(img, seg->off, notes, seg->filesz, "note segment", err);
	if (!ret)
		ret = scan_notes(notes, seg->filesz, entry);
	free(notes);
	return ret;
}

int elf_pvh_entry(const struct image *img, uint64_t *entry, struct error *err)
{
	struct elf_file elf;
	unsigned int i;
	int ret;

	if (!elf_is(img))
		return 0;
	if (elf_parse(img, &elf, err))
		return -1;
	for (i = 0; i < elf.count; i++) {
		if (elf.seg[i].type != PT_NOTE)
			continue;
		ret = read_notes(img, &elf.seg[i], entry, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int load_segment(struct boot *boot, const struct image *img, const struct segment *seg,
			struct error *err)
{
	if (seg->filesz > seg->memsz)
		return image_bad(img, err,
				 "ELF segment at %#llx is larger in the file than in memory",
				 (unsigned long long)seg->paddr);
	if (boot_claim(boot, img, seg->paddr, seg->memsz, "segment", err))
		return -1;
	return image_read(img, seg->off, guest_mem_ptr(boot->mem, seg->paddr, seg->memsz),
			  seg->filesz, "segment", err);
}

/* Entry points are virtual addresses where a kernel is linked away from where it is loaded. */
static uint64_t physical(const struct elf_file *elf, uint64_t vaddr)
{
	const struct segment *seg;

	for (seg = elf->seg; seg < elf->seg + elf->count; seg++) {
		if (seg->type == PT_LOAD && vaddr >= seg->vaddr && vaddr - seg->vaddr < seg->memsz)
			return seg->paddr + (vaddr - seg->vaddr);
	}
	return vaddr;
}

int elf_load(struct boot *boot, const struct image *img, uint64_t *entry, struct error *err)
{
	struct elf_file elf;
	unsigned int i, loaded = 0;

	if (elf_parse(img, &elf, err))
		return -1;
	for (i = 0; i < elf.count; i++) {
		if (elf.seg[i].type != PT_LOAD || !elf.seg[i].memsz)
			continue;
		if (load_segment(boot, img, &elf.seg[i], err))
			return -1;
		loaded++;
	}
	if (!loaded)
		return image_bad(img, err, "ELF without anything to load");
	*entry = physical(&elf, elf.entry);
	return 0;
}
