// SPDX-License-Identifier: GPL-2.0
/*
 * Instruction bytes and lengths. Processors without decode assists and NRIPS need them at every
 * CPUID, MSR or HLT exit, so 64-bit code has a short way here; everything else is fetched and
 * decoded in general.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "../cpu/cpu.h"
#include "glue.h"

#define PTE_P		BIT_ULL(0)
#define PTE_PS		BIT_ULL(7)
#define PTE_ADDR	0x000ffffffffff000ULL

/*
 * The host address of a guest physical one. Only the slot lookup is saved by the cache. The guest's
 * own tables are read anew each time: they may have changed without an exit, and a length taken
 * from the page that used to be at RIP could be wrong without any sign of it.
 * Caller holds RCU, so that a slot change waits until the address is no longer used.
 */
static __always_inline hva_t frame_hva(struct vcpu *vcpu, struct fetch_cache *cache,
				       unsigned int nr, gpa_t gpa)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;

	if (unlikely(cache->frame[nr].gfn != gfn || !cache->frame[nr].hva)) {
		cache->frame[nr].gfn = gfn;
		cache->frame[nr].hva = memory_hva(vcpu->vm, gfn, false);
		if (!cache->frame[nr].hva)
			return 0;
	}
	return cache->frame[nr].hva + offset_in_page(gpa);
}

static __always_inline bool read_word(hva_t hva, u64 *word)
{
	return hva && !__get_user(*word, (u64 __user *)(unsigned long)hva);
}

/*
 * The walk in 4-level tables for an address that the processor has just fetched from: permissions
 * and accessed bits are settled. False also where something is not present.
 */
static bool walk_code(struct vcpu *vcpu, struct fetch_cache *cache, gva_t rip, gpa_t *gpa)
{
	u64 entry = vcpu->state.cr3, mask;
	unsigned int level = 4, shift = 39;
	hva_t hva;

	for (;;) {
		hva = frame_hva(vcpu, cache, level,
				(entry & PTE_ADDR) | (rip >> shift & 511) << 3);
		if (!read_word(hva, &entry) || !(entry & PTE_P))
			return false;
		if (level == 1 || (entry & PTE_PS))
			break;
		level--;
		shift -= 9;
	}
	if (level == 4)
		return false;
	mask = BIT_ULL(shift) - 1;
	*gpa = (entry & PTE_ADDR & ~mask) | (rip & mask);
	return true;
}

static unsigned int read_code(struct vcpu *vcpu, struct fetch_cache *cache, gva_t rip, u64 *buf)
{
	unsigned int room = PAGE_SIZE - offset_in_page(rip);
	gpa_t gpa;
	hva_t hva;
	int n;

	if (!walk_code(vcpu, cache, rip, &gpa))
		return 0;
	if (unlikely(room < 16)) {
		n = memory_read_atomic(vcpu->vm, gpa, buf, room);
		return n < 0 ? 0 : n;
	}
	hva = frame_hva(vcpu, cache, 0, gpa);
	return read_word(hva, &buf[0]) && read_word(hva + 8, &buf[1]) ? 16 : 0;
}

/* 64-bit code without sleeping: bytes read, all on one page; 0: not possible so. */
static unsigned int fetch_code(struct vcpu *vcpu, u64 *buf)
{
	const struct vcpu_state *st = state_code(vcpu);
	struct fetch_cache *cache = &interp_vcpu(vcpu)->cache;
	s64 generation = atomic64_read(&vcpu->vm->stats.slot_changes);
	unsigned int n;

	if (!state_code64(st) || st->cr4 & X86_CR4_LA57)
		return 0;
	rcu_read_lock();
	if (unlikely(cache->generation != generation)) {
		memset(cache, 0, sizeof(*cache));
		cache->generation = generation;
	}
	pagefault_disable();
	n = read_code(vcpu, cache, st->rip, buf);
	pagefault_enable();
	rcu_read_unlock();
	return n;
}

/* The bytes that the processor has fetched already (decode assists), in 64-bit code. */
static unsigned int assisted_code(struct vcpu *vcpu, u64 *buf)
{
	const struct vcpu_state *st = state_code(vcpu);

	if (!state_code64(st))
		return 0;
	memcpy(buf, vcpu->exit.insn, INTERP_INSN_MAX);
	return vcpu->exit.insn_bytes;
}

bool fetch_decode(struct vcpu *vcpu)
{
	struct interp_vcpu *iv = interp_vcpu(vcpu);
	struct interp *in = &iv->in;
	u64 buf[2] = { 0 };
	unsigned int n;

	n = vcpu->exit.insn_bytes ? assisted_code(vcpu, buf) : fetch_code(vcpu, buf);
	if (!n)
		return false;
	/* The same bytes as last time, in the same mode, are the same instruction. */
	if (n == iv->decoded && buf[0] == iv->decoded_bytes[0] && buf[1] == iv->decoded_bytes[1])
		return true;
	memcpy(in->bytes, buf, n);
	in->nbytes = min_t(unsigned int, n, INTERP_INSN_MAX);
	in->mode = INTERP_LONG;
	iv->decoded = 0;
	if (interp_decode(in))
		return false;
	iv->decoded = n;
	memcpy(iv->decoded_bytes, buf, sizeof(buf));
	return true;
}

/* ---- the general way ---- */

static int fetch_piece(struct interp *in, gva_t addr, unsigned int len)
{
	u32 access = ACCESS_FETCH | (in->cpl == 3 ? ACCESS_USER : 0);
	struct interp_walk walk;
	int r;

	r = interp_walk(in, addr, access, &walk);
	if (r)
		return r;
	r = in->ops->phys_read(in, walk.gpa, in->bytes + in->nbytes, len);
	if (r)
		return r == INTERP_NOT_MEMORY ? INTERP_UNKNOWN : r;
	in->nbytes += len;
	return INTERP_DONE;
}

static int fault_limit(struct interp *in)
{
	in->fault = (struct interp_fault){ .vector = GP_VECTOR, .has_error = in->mode };
	return INTERP_FAULT;
}

/* At first up to the end of the page: the next one may be none of the instruction's business. */
static int fetch_more(struct interp *in)
{
	const struct segment *cs = &in->seg[SEG_CS];
	u64 offset = in->reg.rip + in->nbytes;
	unsigned int len, room;
	gva_t addr = offset;

	if (in->mode != INTERP_LONG) {
		if ((u32)offset > cs->limit)
			return fault_limit(in);
		addr = (u32)(cs->base + offset);
	}
	room = PAGE_SIZE - offset_in_page(addr);
	len = min_t(unsigned int, room, INTERP_INSN_MAX - in->nbytes);
	if (in->mode != INTERP_LONG)
		len = min_t(u64, len, (u64)cs->limit - (u32)offset + 1);
	return fetch_piece(in, addr, len);
}

int context_decode(struct vcpu *vcpu)
{
	const struct vm_exit *exit = &vcpu->exit;
	struct interp *in = vcpu->interp;
	int r = INTERP_MORE, tries;

	interp_vcpu(vcpu)->decoded = 0;
	in->nbytes = min_t(u8, exit->insn_bytes, INTERP_INSN_MAX);
	memcpy(in->bytes, exit->insn, in->nbytes);
	if (in->nbytes)
		r = interp_decode(in);
	/* Two pages at most, and CS's limit in between. */
	for (tries = 0; r == INTERP_MORE && tries < 4; tries++) {
		r = fetch_more(in);
		if (r)
			return r;
		r = interp_decode(in);
	}
	return r == INTERP_MORE ? INTERP_UNKNOWN : r;
}

/* ---- lengths ---- */

/* What stands at RIP, behind prefixes, at an exit of this kind: the length's proof. */
struct pattern {
	u32 mask, value;
	u8 len;
};

#define PATTERN(l, v) { .mask = (1ULL << (l) * 8) - 1, .value = (v), .len = (l) }

static const struct pattern patterns[VMEXIT_COUNT] = {
	[VMEXIT_CPUID] = PATTERN(2, 0xa20f),
	[VMEXIT_RDMSR] = PATTERN(2, 0x320f),
	[VMEXIT_WRMSR] = PATTERN(2, 0x300f),
	[VMEXIT_HLT] = PATTERN(1, 0xf4),
	[VMEXIT_PAUSE] = PATTERN(2, 0x90f3),
	/* VMCALL C1, VMMCALL D9 */
	[VMEXIT_HYPERCALL] = { .mask = 0xe7ffff, .value = 0xc1010f, .len = 3 },
	[VMEXIT_INVD] = PATTERN(2, 0x080f),
	/* INVD 08, WBINVD 09: QEMU reports both as the latter */
	[VMEXIT_WBINVD] = { .mask = 0xfeff, .value = 0x080f, .len = 2 },
	[VMEXIT_XSETBV] = PATTERN(3, 0xd1010f),
	[VMEXIT_RDPMC] = PATTERN(2, 0x330f),
	[VMEXIT_RDTSC] = PATTERN(2, 0x310f),
	[VMEXIT_RDTSCP] = PATTERN(3, 0xf9010f),
	/* MONITOR C8, MONITORX FA; MWAIT C9, MWAITX FB */
	[VMEXIT_MONITOR] = { .mask = 0xcdffff, .value = 0xc8010f, .len = 3 },
	[VMEXIT_MWAIT] = { .mask = 0xcdffff, .value = 0xc9010f, .len = 3 },
};

static u32 first_word(const u8 *bytes)
{
	u32 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Is the decoded instruction the one that exits so? Prefixes may stand before it. */
static bool is_expected(const struct interp *in, const struct pattern *p)
{
	u8 bytes[INTERP_INSN_MAX + 4] = { 0 };

	if (!p->len)
		return true;
	if (in->insn.len < p->len)
		return false;
	memcpy(bytes, in->bytes, INTERP_INSN_MAX);
	/* PAUSE may have prefixes between its two bytes. */
	if (p->value == 0x90f3)
		return in->insn.opcode == 0x90 && in->insn.rep == 0xf3;
	return (first_word(bytes + in->insn.len - p->len) & p->mask) == p->value;
}

/* INTERP_DONE: in->insn is the instruction at RIP. */
static int decode_at_rip(struct vcpu *vcpu)
{
	if (fetch_decode(vcpu))
		return INTERP_DONE;
	context_load(vcpu);
	return context_decode(vcpu);
}

static noinline int length_general(struct vcpu *vcpu, const struct pattern *p)
{
	struct interp *in = vcpu->interp;
	int r = decode_at_rip(vcpu);

	if (r == INTERP_FAULT) {
		/* The hardware has executed it: a #UD would be our own ignorance. */
		if (in->fault.vector == UD_VECTOR)
			return -1;
		interp_raise(vcpu, &in->fault);
		return 0;
	}
	/* The processor finds out itself whether there is no page. */
	if (r == INTERP_RETRY || r == INTERP_NO_PAGE || (!r && !is_expected(in, p)))
		return 0;
	return r ? -1 : in->insn.len;
}

/**
 * interp_insn_length() - the length of the instruction that exited
 * @vcpu: vcpu->exit.kind says what it must be
 *
 * Context: loaded, may sleep.
 * Return: bytes, 1 to 15; 0: enter the guest again: a fault of the fetch has been raised, or
 * another processor has changed the instruction; -1: unknown
 */
int interp_insn_length(struct vcpu *vcpu)
{
	const struct pattern *p = &patterns[vcpu->exit.kind];
	u64 buf[2];

	if (likely(p->len) && fetch_code(vcpu, buf) == 16 &&
	    ((u32)buf[0] & p->mask) == p->value)
		return p->len;
	return length_general(vcpu, p);
}

/**
 * interp_decode_reg() - which register does a MOV to or from CR or DR name?
 * @vcpu: exit.reg.gpr and exit.insn_len are filled; gpr stays 0xff for other instructions
 *
 * Context: loaded, may sleep.
 * Return: as interp_insn_length()
 */
int interp_decode_reg(struct vcpu *vcpu)
{
	const struct insn *insn = &vcpu->interp->insn;
	int len = length_general(vcpu, &patterns[vcpu->exit.kind]);

	if (len <= 0)
		return len;
	vcpu->exit.insn_len = len;
	if (insn->map == 1 && insn->opcode >= 0x20 && insn->opcode <= 0x23)
		vcpu->exit.reg.gpr = insn->rm;
	return len;
}
