// SPDX-License-Identifier: GPL-2.0
/* VMs, memory and vCPUs for tests. See vm.h. */
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include "vm.h"

extern const u8 guest_vectors[];

int dev_fd(void)
{
	static int fd = -1;
	const char *path = getenv("VMM_DEV");

	if (fd >= 0)
		return fd;
	if (!path)
		path = "/dev/vmm";
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		FAIL("%s: errno %d", path, errno);
	return fd;
}

int dev_cap(long cap)
{
	return ioctl(dev_fd(), KVM_CHECK_EXTENSION, cap);
}

/* Copy the loadable segments of this binary to the same guest-physical addresses. */
static int copy_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct vm *vm = arg;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_vaddr + p->p_memsz > FREE_BASE)
			FAIL("the test binary is too large for layout.h");
		memcpy(vm->ram + p->p_vaddr, (void *)p->p_vaddr, p->p_memsz);
	}
	return 1; /* the main program comes first and is all there is */
}

static void make_page_tables(struct vm *vm)
{
	u64 *pml4 = gpa_hva(vm, PML4_BASE);
	u64 *pdpt = pml4 + 512, *pd = pdpt + 512;
	u64 i;

	pml4[0] = (PML4_BASE + PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 4; i++)
		pdpt[i] = (PML4_BASE + (2 + i) * PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
	for (i = 0; i < 2048; i++)
		pd[i] = i * 2 * MiB | PTE_P | PTE_W | PTE_PS;
	vm->next_pt = PT_POOL;
}

static void make_idt(struct vm *vm)
{
	u64 *idt = gpa_hva(vm, IDT_BASE);
	u64 i;

	for (i = 0; i < 256; i++) {
		u64 addr = (u64)guest_vectors + i * 16;

		idt[2 * i] = (addr & 0xffff) | SEL_CODE64 << 16 | 0x8e00ull << 32 |
			     (addr >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = addr >> 32;
	}
}

struct vm *vm_create(unsigned int flags)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->fd = OK(ioctl(dev_fd(), KVM_CREATE_VM, 0));
	OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul));
	if (flags & (VM_IRQCHIP | VM_PIT)) {
		OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
		vm->irqchip = true;
	}
	if (flags & VM_PIT)
		OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	vm->ram = vm_add_ram(vm, 0, 0, 0, RAM_SIZE);
	dl_iterate_phdr(copy_segments, vm);
	make_page_tables(vm);
	make_idt(vm);
	return vm;
}

void vm_free(struct vm *vm)
{
	OK(close(vm->fd));
	OK(munmap(vm->ram, RAM_SIZE));
	free(vm);
}

int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

void *vm_add_ram(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	OK(vm_slot(vm, slot, flags, gpa, size, p));
	return p;
}

static u64 new_table(struct vm *vm)
{
	u64 gpa = vm->next_pt;

	if (gpa >= PT_POOL_END)
		FAIL("page-table pool is empty");
	vm->next_pt += PAGE_SIZE;
	return gpa;
}

u64 *vm_pte(struct vm *vm, u64 gva)
{
	u64 *entry = (u64 *)gpa_hva(vm, PML4_BASE) + (gva >> 39 & 511);
	int shift;

	for (shift = 30; shift >= 12; shift -= 9) {
		u64 old = *entry, *table, i;

		if (!(old & PTE_P) || old & PTE_PS) {
			*entry = new_table(vm) | PTE_P | PTE_W | PTE_U;
			table = gpa_hva(vm, *entry & PTE_ADDR);
			for (i = 0; i < 512; i++) {
				table[i] = old & PTE_P ? old + (i << shift) : 0;
				if (shift == 12)
					table[i] &= ~PTE_PS;
			}
		}
		*entry |= PTE_U;
		table = gpa_hva(vm, *entry & PTE_ADDR);
		entry = table + (gva >> shift & 511);
	}
	return entry;
}

void vm_map(struct vm *vm, u64 gva, u64 gpa, u64 bits)
{
	*vm_pte(vm, gva) = gpa | bits;
}

struct vcpu *vcpu_add(struct vm *vm, u32 id)
{
	struct vcpu *v = calloc(1, sizeof(*v));

	v->vm = vm;
	v->id = id;
	v->fd = OK(ioctl(vm->fd, KVM_CREATE_VCPU, (long)id));
	v->run_size = OK(ioctl(dev_fd(), KVM_GET_VCPU_MMAP_SIZE, 0));
	v->run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	CHECK(v->run != MAP_FAILED);
	return v;
}

void vcpu_free(struct vcpu *v)
{
	OK(munmap(v->run, v->run_size));
	OK(close(v->fd));
	free(v);
}

struct kvm_cpuid2 *supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_CPUID * sizeof(c->entries[0]));

	c->nent = MAX_CPUID;
	OK(ioctl(dev_fd(), KVM_GET_SUPPORTED_CPUID, c));
	return c;
}

struct kvm_cpuid_entry2 *cpuid_entry(struct kvm_cpuid2 *c, u32 leaf, u32 index)
{
	u32 i;

	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf &&
		    (!(c->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
		     c->entries[i].index == index))
			return &c->entries[i];
	return NULL;
}

void vcpu_cpuid(struct vcpu *v)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct kvm_cpuid_entry2 *e = cpuid_entry(c, 1, 0);

	if (e) {
		e->ebx = (e->ebx & 0x00ffffff) | v->id << 24;
		/* The timer's bit is user space's to set (api.rst, KVM_GET_SUPPORTED_CPUID). */
		if (v->vm->irqchip && dev_cap(KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= BIT(24);
	}
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	free(c);
}

/* A flat segment; @type includes the accessed bit, as the processor would have set it. */
static struct kvm_segment seg(u16 sel, u8 type, bool l, bool db)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = sel,
		.type = type,
		.present = 1,
		.s = 1,
		.l = l,
		.db = db,
		.g = 1,
	};
}

static void make_percpu(struct vcpu *v)
{
	u64 base = PERCPU_BASE + v->id * PAGE_SIZE;
	u64 tss = base + PERCPU_TSS;
	u64 *gdt = gpa_hva(v->vm, base);
	struct percpu *p = gpa_hva(v->vm, base + PERCPU_DATA);
	u64 *tss64 = gpa_hva(v->vm, tss);
	u64 stack = STACK_BASE + (v->id + 1) * STACK_SIZE;

	gdt[SEL_CODE64 / 8] = 0x00af9b000000ffffull;
	gdt[SEL_DATA / 8] = 0x00cf93000000ffffull;
	gdt[SEL_TSS / 8] = 0x67 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24) << 56;
	gdt[SEL_TSS / 8 + 1] = tss >> 32;
	gdt[SEL_UCODE64 / 8] = 0x00affb000000ffffull;
	gdt[SEL_UDATA / 8] = 0x00cff3000000ffffull;
	gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffffull;
	gdt[SEL_CODE16 / 8] = 0x00009b000000ffffull;
	gdt[SEL_DATA16 / 8] = 0x000093000000ffffull;
	/* RSP0 stands at offset 4: half of the stack is for traps from user mode. */
	tss64[0] = (stack - STACK_SIZE / 2) << 32;
	tss64[1] = (stack - STACK_SIZE / 2) >> 32;
	((u16 *)tss64)[0x66 / 2] = 0x68;
	p->self = (struct percpu *)(base + PERCPU_DATA);
	p->id = v->id;
}

void vcpu_call(struct vcpu *v, void *fn, u64 arg)
{
	u64 base = PERCPU_BASE + v->id * PAGE_SIZE;
	u64 stack = STACK_BASE + (v->id + 1) * STACK_SIZE;
	struct kvm_sregs s = get_sregs(v);
	struct kvm_regs r = { 0 };

	make_percpu(v);
	s.cs = seg(SEL_CODE64, 0xb, true, false);
	s.ds = seg(SEL_DATA, 0x3, false, true);
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.ss = s.ds;
	s.gs.base = base + PERCPU_DATA;
	s.tr = (struct kvm_segment){
		.base = base + PERCPU_TSS,
		.limit = 0x67,
		.selector = SEL_TSS,
		.type = 0xb,
		.present = 1,
	};
	s.ldt = (struct kvm_segment){ .unusable = 1 };
	s.gdt.base = base;
	s.gdt.limit = PERCPU_TSS - 1;
	s.idt.base = IDT_BASE;
	s.idt.limit = 0xfff;
	s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	s.cr3 = PML4_BASE;
	s.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	s.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	set_sregs(v, &s);

	r.rip = (u64)fn;
	r.rdi = arg;
	r.rsp = stack - 8; /* as if called: the ABI's alignment */
	*(u64 *)gpa_hva(v->vm, r.rsp) = 0;
	r.rflags = RFLAGS_FIXED;
	set_regs(v, &r);
}

struct vcpu *vcpu_new(struct vm *vm, u32 id, void *fn, u64 arg)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct vcpu *v = vcpu_add(vm, id);

	vcpu_cpuid(v);
	vcpu_call(v, fn, arg);
	if (vm->irqchip && id)
		OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	return v;
}

void vcpu_set_mode(struct vcpu *v, enum vcpu_mode mode, u64 ip)
{
	struct kvm_sregs s = get_sregs(v);
	struct kvm_regs r = { .rip = ip, .rsp = REAL_STACK, .rflags = RFLAGS_FIXED };

	if (mode == VCPU_REAL) {
		s.cs.selector = 0;
		s.cs.base = 0;
	} else {
		bool db = mode == VCPU_PROT32;

		make_percpu(v);
		s.cs = seg(db ? SEL_CODE32 : SEL_CODE16, 0xb, false, db);
		s.ds = seg(db ? SEL_DATA : SEL_DATA16, 0x3, false, db);
		s.es = s.ds;
		s.fs = s.ds;
		s.gs = s.ds;
		s.ss = s.ds;
		s.gdt.base = PERCPU_BASE + v->id * PAGE_SIZE;
		s.gdt.limit = PERCPU_TSS - 1;
		s.cr0 = CR0_PE | CR0_ET;
	}
	set_sregs(v, &s);
	set_regs(v, &r);
}

int vcpu_run(struct vcpu *v)
{
	return ioctl(v->fd, KVM_RUN, 0);
}

/* Say what an exit that nobody asked for was. */
static void stray_exit(struct vcpu *v, const char *wanted, const char *file, u32 line)
{
	struct kvm_run *run = v->run;
	struct kvm_regs r = get_regs(v);

	printf("vCPU %u rip %#llx rsp %#llx rflags %#llx\n", v->id, r.rip, r.rsp, r.rflags);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf("internal error %u, data %#llx %#llx\n", run->internal.suberror,
		       run->internal.data[0], run->internal.data[1]);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		printf("entry failed, reason %#llx\n",
		       run->fail_entry.hardware_entry_failure_reason);
	if (run->exit_reason == KVM_EXIT_MMIO)
		printf("MMIO %s %#llx, %u bytes\n", run->mmio.is_write ? "write" : "read",
		       run->mmio.phys_addr, run->mmio.len);
	if (run->exit_reason == KVM_EXIT_IO)
		printf("port %#x, %s %u bytes\n", run->io.port, run->io.direction ? "out" : "in",
		       run->io.size);
	test_fail(file, line, "exit reason %u, not %s", run->exit_reason, wanted);
}

void vcpu_run_exit_at(struct vcpu *v, u32 why, const char *name, const char *file, u32 line)
{
	while (vcpu_run(v)) {
		if (errno != EINTR && errno != EAGAIN)
			test_fail(file, line, "KVM_RUN: errno %d", errno);
	}
	if (v->run->exit_reason == why)
		return;
	if (vcpu_take_ucall(v))
		printf("the guest made a ucall of kind %u, stage %llu\n", v->uc.kind,
		       v->uc.args[0]);
	stray_exit(v, name, file, line);
}

bool vcpu_take_ucall(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	u32 gpa;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != UCALL_PORT ||
	    run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4)
		return false;
	gpa = *(u32 *)((u8 *)run + run->io.data_offset);
	if (gpa > RAM_SIZE - sizeof(v->uc))
		FAIL("bad ucall address %#x", gpa);
	memcpy(&v->uc, gpa_hva(v->vm, gpa), sizeof(v->uc));
	if (v->uc.kind == UCALL_ASSERT)
		test_fail(v->uc.file, v->uc.line, "guest vCPU %u: %s (%#llx, %#llx)", v->id,
			  v->uc.what, v->uc.args[0], v->uc.args[1]);
	if (v->uc.kind == UCALL_TRAP)
		FAIL("guest vCPU %u: exception %llu, error %#llx at rip %#llx, cr2 %#llx", v->id,
		     v->uc.args[0], v->uc.args[1], v->uc.args[2], v->uc.args[3]);
	return true;
}

enum ucall_kind vcpu_run_ucall_at(struct vcpu *v, const char *file, u32 line)
{
	while (vcpu_run(v)) {
		if (errno != EINTR && errno != EAGAIN)
			test_fail(file, line, "KVM_RUN: errno %d", errno);
	}
	if (!vcpu_take_ucall(v))
		stray_exit(v, "a ucall", file, line);
	return v->uc.kind;
}

static void *thread_main(void *arg)
{
	struct vcpu *v = arg;

	v->tid = gettid();
	run_done(v);
	return NULL;
}

void vcpu_spawn(struct vcpu *v)
{
	CHECK_EQ(pthread_create(&v->thread, NULL, thread_main, v), 0);
}

void vcpu_join(struct vcpu *v)
{
	CHECK_EQ(pthread_join(v->thread, NULL), 0);
}

struct kvm_regs get_regs(struct vcpu *v)
{
	struct kvm_regs r;

	OK(ioctl(v->fd, KVM_GET_REGS, &r));
	return r;
}

void set_regs(struct vcpu *v, const struct kvm_regs *r)
{
	OK(ioctl(v->fd, KVM_SET_REGS, r));
}

struct kvm_sregs get_sregs(struct vcpu *v)
{
	struct kvm_sregs s;

	OK(ioctl(v->fd, KVM_GET_SREGS, &s));
	return s;
}

void set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	OK(ioctl(v->fd, KVM_SET_SREGS, s));
}

struct one_msr {
	struct kvm_msrs h;
	struct kvm_msr_entry e;
};

int try_get_msr(struct vcpu *v, u32 msr, u64 *val)
{
	struct one_msr m = { .h.nmsrs = 1, .e.index = msr };
	int r = ioctl(v->fd, KVM_GET_MSRS, &m);

	*val = m.e.data;
	return r;
}

u64 get_msr(struct vcpu *v, u32 msr)
{
	u64 val;

	if (try_get_msr(v, msr, &val) != 1)
		FAIL("KVM_GET_MSRS of %#x (errno %d)", msr, errno);
	return val;
}

int set_msr(struct vcpu *v, u32 msr, u64 val)
{
	struct one_msr m = { .h.nmsrs = 1, .e.index = msr, .e.data = val };

	return ioctl(v->fd, KVM_SET_MSRS, &m);
}

struct kvm_msr_list *msr_list(unsigned long request)
{
	struct kvm_msr_list probe = { .nmsrs = 0 }, *l;

	CHECK_ERRNO(ioctl(dev_fd(), request, &probe), E2BIG);
	l = calloc(1, sizeof(*l) + probe.nmsrs * sizeof(u32));
	l->nmsrs = probe.nmsrs;
	OK(ioctl(dev_fd(), request, l));
	return l;
}

static bool stat_of_fd(int fd, const char *name, u64 *value)
{
	struct {
		struct kvm_stats_desc d;
		char name[256];
	} at;
	struct kvm_stats_header h;
	bool found = false;
	u32 i;

	CHECK_EQ(pread(fd, &h, sizeof(h), 0), sizeof(h));
	CHECK(h.name_size <= sizeof(at.name));
	for (i = 0; i < h.num_desc && !found; i++) {
		u32 size = sizeof(at.d) + h.name_size;

		CHECK_EQ(pread(fd, &at, size, h.desc_offset + i * size), size);
		found = !strcmp(at.d.name, name);
	}
	if (found)
		CHECK_EQ(pread(fd, value, 8, h.data_offset + at.d.offset), 8);
	close(fd);
	return found;
}

bool vcpu_stat(struct vcpu *v, const char *name, u64 *value)
{
	need_cap(KVM_CAP_BINARY_STATS_FD);
	return stat_of_fd(OK(ioctl(v->fd, KVM_GET_STATS_FD, 0)), name, value);
}

bool vm_stat(struct vm *vm, const char *name, u64 *value)
{
	need_cap(KVM_CAP_BINARY_STATS_FD);
	return stat_of_fd(OK(ioctl(vm->fd, KVM_GET_STATS_FD, 0)), name, value);
}

long long host_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

void host_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static char state_of(pid_t tid)
{
	char path[64], text[256] = "", *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = OK(open(path, O_RDONLY | O_CLOEXEC));
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	/* Behind the name, which is in parentheses. */
	state = strrchr(text, ')');
	CHECK(state);
	return state[2];
}

bool host_sleeps(pid_t tid)
{
	return state_of(tid) == 'S';
}

bool host_waits(pid_t tid)
{
	char state = state_of(tid);

	return state == 'S' || state == 'D';
}

void load_bytes(struct vm *vm, u64 gpa, const u8 *from, const u8 *end)
{
	memcpy(gpa_hva(vm, gpa), from, end - from);
}
