/* SPDX-License-Identifier: GPL-2.0 */
/* The host's side of the framework: a VM, its memory and its vCPUs through the KVM API. */
#ifndef SELFTESTS_VM_H
#define SELFTESTS_VM_H

#include <pthread.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include "guest.h"
#include "harness.h"

#define MAX_CPUID 256

struct vcpu {
	struct vm *vm;
	int fd;
	u32 id;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	volatile pid_t tid; /* of that thread, once it runs */
	struct ucall uc;    /* the last one received */
};

struct vm {
	int fd;
	u8 *ram;     /* RAM_SIZE bytes at GPA 0 */
	u64 next_pt; /* next free page of the page-table pool */
	bool irqchip;
};

enum vm_flags {
	VM_IRQCHIP = 1, /* KVM_CREATE_IRQCHIP before anything else */
	VM_PIT = 2,     /* and KVM_CREATE_PIT2 */
};

/* How a vCPU begins; VCPU_REAL leaves it as KVM_CREATE_VCPU made it but for CS:IP and SP. */
enum vcpu_mode { VCPU_LONG, VCPU_REAL, VCPU_PROT32, VCPU_PROT16 };

/** dev_fd() - the device under test, opened once. Skips the case if it is not there. */
int dev_fd(void);

/** dev_cap() - KVM_CHECK_EXTENSION on the device. */
int dev_cap(long cap);

/** need_cap() - skip this case unless the capability is there. */
#define need_cap(cap)                     \
	do {                              \
		if (dev_cap(cap) <= 0)    \
			SKIP("no " #cap); \
	} while (0)

/** vm_create() - a VM with RAM, page tables, IDT and a copy of this binary in it. */
struct vm *vm_create(unsigned int flags);

/** vm_free() - close everything of this VM; its vCPUs must be closed by the caller. */
void vm_free(struct vm *vm);

/** vm_slot() - KVM_SET_USER_MEMORY_REGION. Return: that ioctl's. */
int vm_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, void *hva);

/** vm_add_ram() - fresh anonymous memory as a slot. Return: its host address. */
void *vm_add_ram(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size);

/** vm_map() - have @gva lead to @gpa in the guest's page tables, 4 KiB. @bits: PTE_*. */
void vm_map(struct vm *vm, u64 gva, u64 gpa, u64 bits);

/** vm_pte() - the 4 KiB entry for @gva, splitting larger ones. */
u64 *vm_pte(struct vm *vm, u64 gva);

/** gpa_hva() - host address of guest RAM. */
static inline void *gpa_hva(struct vm *vm, u64 gpa)
{
	return vm->ram + gpa;
}

/** G() - the guest's copy of a global variable, as an lvalue. */
#define G(vm, var) (*(typeof(var) *)gpa_hva((vm), (unsigned long)&(var)))

/** vcpu_add() - KVM_CREATE_VCPU and map kvm_run; state untouched. */
struct vcpu *vcpu_add(struct vm *vm, u32 id);

/** vcpu_new() - a vCPU in 64-bit mode that is about to call @fn(@arg). */
struct vcpu *vcpu_new(struct vm *vm, u32 id, void *fn, u64 arg);

/** vcpu_call() - (re)start an existing vCPU in 64-bit mode at @fn(@arg). */
void vcpu_call(struct vcpu *v, void *fn, u64 arg);

/** vcpu_set_mode() - start at @ip in real or flat 16/32-bit protected mode without paging. */
void vcpu_set_mode(struct vcpu *v, enum vcpu_mode mode, u64 ip);

/** vcpu_free() - unmap, close. */
void vcpu_free(struct vcpu *v);

/** vcpu_cpuid() - give it everything that KVM_GET_SUPPORTED_CPUID lists. */
void vcpu_cpuid(struct vcpu *v);

/** supported_cpuid() - KVM_GET_SUPPORTED_CPUID, allocated. */
struct kvm_cpuid2 *supported_cpuid(void);

/** cpuid_entry() - entry of a list, NULL if absent. */
struct kvm_cpuid_entry2 *cpuid_entry(struct kvm_cpuid2 *c, u32 leaf, u32 index);

/** vcpu_run() - KVM_RUN once. Return: 0, or -1 with errno. */
int vcpu_run(struct vcpu *v);

/** vcpu_run_exit() - run; demand this exit reason. EINTR is tried again. */
#define vcpu_run_exit(v, why) vcpu_run_exit_at(v, why, #why, __FILE__, __LINE__)
void vcpu_run_exit_at(struct vcpu *v, u32 why, const char *name, const char *file, u32 line);

/** vcpu_run_ucall() - run to the next ucall; a guest assertion or stray exit fails the case. */
#define vcpu_run_ucall(v) vcpu_run_ucall_at(v, __FILE__, __LINE__)
enum ucall_kind vcpu_run_ucall_at(struct vcpu *v, const char *file, u32 line);

/** run_sync() - run to the guest's GUEST_SYNC(@stage). */
#define run_sync(v, stage)                               \
	do {                                             \
		CHECK_EQ(vcpu_run_ucall(v), UCALL_SYNC); \
		CHECK_EQ((v)->uc.args[0], (stage));      \
	} while (0)

/** run_done() - run to GUEST_DONE(). */
#define run_done(v) CHECK_EQ(vcpu_run_ucall(v), UCALL_DONE)

/** vcpu_take_ucall() - if the last exit was a ucall, fetch it into v->uc. */
bool vcpu_take_ucall(struct vcpu *v);

/** vcpu_spawn() - a thread that does run_done(); vcpu_join() waits for it. */
void vcpu_spawn(struct vcpu *v);
void vcpu_join(struct vcpu *v);

struct kvm_regs get_regs(struct vcpu *v);
void set_regs(struct vcpu *v, const struct kvm_regs *r);
struct kvm_sregs get_sregs(struct vcpu *v);
void set_sregs(struct vcpu *v, const struct kvm_sregs *s);

/** get_msr(), set_msr() - one MSR; set_msr() returns what KVM_SET_MSRS returned. */
u64 get_msr(struct vcpu *v, u32 msr);
int set_msr(struct vcpu *v, u32 msr, u64 val);
int try_get_msr(struct vcpu *v, u32 msr, u64 *val);

/** msr_list() - KVM_GET_MSR_INDEX_LIST, allocated. */
struct kvm_msr_list *msr_list(unsigned long request);

/** vcpu_stat(), vm_stat() - a value of KVM_GET_STATS_FD; false: there is none of that name. */
bool vcpu_stat(struct vcpu *v, const char *name, u64 *value);
bool vm_stat(struct vm *vm, const char *name, u64 *value);

/** host_now_ms(), host_sleep_ms() - monotonic time. */
long long host_now_ms(void);
void host_sleep_ms(unsigned int ms);

/*
 * eventually() - wait until @cond holds; false: it does not, in as many looks as there are
 * milliseconds in 20 s. A host that stands still does not use them up.
 */
#define eventually(cond)                                     \
	({                                                   \
		unsigned int looks_ = 20000;                 \
		bool holds_;                                 \
                                                             \
		while (!(holds_ = !!(cond)) && looks_-- > 0) \
			host_sleep_ms(1);                    \
		holds_;                                      \
	})

/** host_sleeps() - whether a thread of this process waits for something, by its id. */
bool host_sleeps(pid_t tid);

/** host_waits() - likewise, or waits for what no signal ends. */
bool host_waits(pid_t tid);

/*
 * BLOB(name, bits, "asm ...") - 16- or 32-bit guest code, to be copied to REAL_BASE by
 * load_blob(). Labels are relative to its own beginning: refer to them as (label - name).
 */
#define BLOB(name, bits, code)                                                              \
	extern const u8 name[], name##_end[];                                               \
	asm(".pushsection .rodata\n"                                                        \
	    ".globl " #name ", " #name "_end\n" #name ":\n.code" #bits "\n" code "\n" #name \
	    "_end:\n.code64\n"                                                              \
	    ".popsection")

#define load_blob(vm, gpa, name) load_bytes(vm, gpa, name, name##_end)
void load_bytes(struct vm *vm, u64 gpa, const u8 *from, const u8 *end);

#endif
