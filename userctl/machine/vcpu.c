// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vmm.h>

#include "../sandbox/sandbox.h"
#include "machine.h"

#define CR0_PE     0x00000001ULL
#define CR0_ET     0x00000010ULL
#define CR0_NE     0x00000020ULL
#define CR0_PG     0x80000000ULL
#define CR4_PAE    0x00000020ULL
#define EFER_LME   0x00000100ULL
#define EFER_LMA   0x00000400ULL
#define RFLAGS_ONE 0x2ULL

#define MSR_MISC_ENABLE   0x1a0
#define MISC_FAST_STRINGS 1ULL
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED_WB   0x806ULL

/* Offsets of local APIC registers, AMD64 APM vol. 2, 16.3.2. */
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define LVT_EXTINT     0x700u
#define LVT_NMI        0x400u

static int fault_vcpu(struct vcpu *vcpu, const char *what, struct error *err)
{
	return fault_errno(err, EX_OSERR, errno, "vCPU %u: cannot set its %s", vcpu->id, what);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool code64)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code64,
		.db = !code64,
	};
}

/* Both kinds of entry state: flat segments; in long mode paging with the identity tables. */
static int set_sregs(struct vcpu *vcpu, struct error *err)
{
	bool long_mode = vcpu->m->boot.long_mode;
	struct kvm_sregs s;

	if (ioctl(vcpu->kvm.fd, KVM_GET_SREGS, &s))
		return fault_vcpu(vcpu, "system registers", err);
	s.cs = flat_segment(BOOT_CS, 0xb, long_mode);
	s.ds = flat_segment(BOOT_DS, 0x3, false);
	s.es = s.ds;
	s.fs = s.ds;
	s.gs = s.ds;
	s.ss = s.ds;
	s.tr = (struct kvm_segment){
		.limit = 0x67, .selector = BOOT_TSS, .type = 0xb, .present = 1
	};
	s.ldt = (struct kvm_segment){ .type = 0x2, .unusable = 1 };
	s.gdt.base = BOOT_GDT;
	s.gdt.limit = BOOT_TSS + 7;
	s.idt.base = 0;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET;
	s.cr4 = 0;
	s.efer = 0;
	if (long_mode) {
		s.cr0 |= CR0_PG | CR0_NE;
		s.cr3 = BOOT_PAGETABLE;
		s.cr4 |= CR4_PAE;
		s.efer |= EFER_LME | EFER_LMA;
	}
	if (ioctl(vcpu->kvm.fd, KVM_SET_SREGS, &s))
		return fault_vcpu(vcpu, "system registers", err);
	return 0;
}

static int set_regs(struct vcpu *vcpu, struct error *err)
{
	const struct boot *boot = &vcpu->m->boot;
	struct kvm_regs regs = {
		.rip = boot->entry,
		.rflags = RFLAGS_ONE,
		.rax = boot->rax,
		.rbx = boot->rbx,
		.rsi = boot->rsi,
	};

	if (ioctl(vcpu->kvm.fd, KVM_SET_REGS, &regs))
		return fault_vcpu(vcpu, "registers", err);
	return 0;
}

/* What firmware sets up. A hypervisor without one of these MSRs leaves it out. */
static void set_msrs(struct vcpu *vcpu)
{
	static const struct kvm_msr_entry entries[] = {
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB },
		{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRINGS },
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };
	unsigned int i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		one.entry = entries[i];
		(void)ioctl(vcpu->kvm.fd, KVM_SET_MSRS, &one);
	}
}

static void set_lvt(struct kvm_lapic_state *lapic, unsigned int reg, uint32_t value)
{
	memcpy(lapic->regs + reg, &value, sizeof(value));
}

/* Virtual wire mode: the PIC's interrupt at the first processor's LINT0, NMI at every LINT1. */
static int set_lapic(struct vcpu *vcpu, struct error *err)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->kvm.fd, KVM_GET_LAPIC, &lapic))
		return fault_vcpu(vcpu, "local APIC", err);
	if (!vcpu->id)
		set_lvt(&lapic, APIC_LVT_LINT0, LVT_EXTINT);
	set_lvt(&lapic, APIC_LVT_LINT1, LVT_NMI);
	if (ioctl(vcpu->kvm.fd, KVM_SET_LAPIC, &lapic))
		return fault_vcpu(vcpu, "local APIC", err);
	return 0;
}

/* What CPUID does not offer is not there either. */
static int enforce_cpuid(struct vcpu *vcpu, struct error *err)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args[0] = 1 };

	if (!vcpu->m->cfg->no_pv || !ioctl(vcpu->kvm.fd, KVM_ENABLE_CAP, &cap))
		return 0;
	return fault_vcpu(vcpu, "paravirtual features", err);
}

static int set_cpuid(struct vcpu *vcpu, struct error *err)
{
	struct machine *m = vcpu->m;
	size_t size = sizeof(*m->cpuid) + m->cpuid->nent * sizeof(m->cpuid->entries[0]);
	struct kvm_cpuid2 *cpuid = malloc(size);
	int ret = 0;

	if (!cpuid)
		return fault(err, EX_OSERR, "out of memory");
	memcpy(cpuid, m->cpuid, size);
	cpuid_adjust(cpuid, vcpu->id, m->cfg->max_cpus,
		     vmm_cap(m->vm.fd, KVM_CAP_TSC_DEADLINE_TIMER));
	if (ioctl(vcpu->kvm.fd, KVM_SET_CPUID2, cpuid))
		ret = fault_vcpu(vcpu, "CPUID", err);
	free(cpuid);
	return ret;
}

int vcpu_setup(struct vcpu *vcpu, struct error *err)
{
	if (set_cpuid(vcpu, err) || enforce_cpuid(vcpu, err))
		return -1;
	if (!vcpu->m->cfg->pv && set_lapic(vcpu, err))
		return -1;
	/* Firmware begins at the reset vector, and does the rest. */
	if (vcpu->m->cfg->firmware)
		return 0;
	set_msrs(vcpu);
	/* The others wait for INIT and SIPI in their reset state. */
	if (vcpu->id)
		return 0;
	return set_sregs(vcpu, err) ? -1 : set_regs(vcpu, err);
}

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(&vcpu->m->pio, run->io.port, data, run->io.size);
		else
			bus_read(&vcpu->m->pio, run->io.port, data, run->io.size);
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;

	if (run->mmio.is_write)
		bus_write(&vcpu->m->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(&vcpu->m->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->kvm.run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		machine_stop(vcpu->m, STOP_POWER_OFF, (int)vcpu->id);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		machine_stop(vcpu->m, STOP_RESET, (int)vcpu->id);
		break;
	case VMM_SYSTEM_EVENT_POWER_BUTTON:
		acpi_pm_power_button(&vcpu->m->pm);
		break;
	default:
		machine_stop(vcpu->m, STOP_INTERNAL, (int)vcpu->id);
		break;
	}
}

static void handle_exit(struct vcpu *vcpu)
{
	vcpu->exits++;
	switch (vcpu->kvm.run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_HYPERCALL:
		if (hypercall_serve(vcpu))
			machine_stop(vcpu->m, STOP_INTERNAL, (int)vcpu->id);
		break;
	case KVM_EXIT_HLT:
		/* Without an interrupt controller nothing ends it. */
		machine_stop(vcpu->m, STOP_POWER_OFF, (int)vcpu->id);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SHUTDOWN:
		machine_stop(vcpu->m, STOP_TRIPLE_FAULT, (int)vcpu->id);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		break;
	default:
		machine_stop(vcpu->m, STOP_INTERNAL, (int)vcpu->id);
		break;
	}
}

/* Clears the request first: one that comes in meanwhile finds KVM_RUN returning at once. */
static void handle_kick(struct vcpu *vcpu)
{
	unsigned int requests;

	__atomic_store_n(&vcpu->kvm.run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	requests = atomic_exchange(&vcpu->requests, 0);
	if ((requests & VCPU_NMI) && ioctl(vcpu->kvm.fd, KVM_NMI))
		machine_stop_host(vcpu->m, (int)vcpu->id, errno, "KVM_NMI");
	/* Fails where the guest does not use the clock in question, and then it does not matter. */
	if (requests & VCPU_WAS_STOPPED)
		(void)ioctl(vcpu->kvm.fd, KVM_KVMCLOCK_CTRL, 0);
}

static void wait_parked(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	while (atomic_load(&vcpu->parked) && !atomic_load(&vcpu->m->cause))
		pthread_cond_wait(&vcpu->wake, &vcpu->lock);
	pthread_mutex_unlock(&vcpu->lock);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct machine *m = vcpu->m;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	sandbox_thread(ROLE_VCPU, name);
	while (!atomic_load(&m->cause)) {
		if (atomic_load(&vcpu->parked)) {
			wait_parked(vcpu);
			continue;
		}
		if (!ioctl(vcpu->kvm.fd, KVM_RUN, 0)) {
			handle_exit(vcpu);
			continue;
		}
		/* EAGAIN: a processor that waits for SIPI was woken; ask again. */
		if (errno != EINTR && errno != EAGAIN)
			machine_stop_host(m, (int)vcpu->id, errno, "KVM_RUN");
		handle_kick(vcpu);
	}
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, struct error *err)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	sigdelset(&all, SIG_KICK);
	/* Faults of this program stay fatal, wherever they happen. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return fault_errno(err, EX_OSERR, ret, "cannot start a thread for vCPU %u",
				   vcpu->id);
	vcpu->started = true;
	return 0;
}

void vcpu_init(struct vcpu *vcpu, struct machine *m, unsigned int id)
{
	*vcpu = (struct vcpu){ .m = m, .id = id, .kvm.fd = -1 };
	atomic_init(&vcpu->parked, id >= m->cfg->cpus);
	pthread_mutex_init(&vcpu->lock, NULL);
	pthread_cond_init(&vcpu->wake, NULL);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	vmm_vcpu_close(&vcpu->kvm);
	pthread_cond_destroy(&vcpu->wake);
	pthread_mutex_destroy(&vcpu->lock);
}

void vcpu_park(struct vcpu *vcpu)
{
	atomic_store(&vcpu->parked, true);
	vcpu_kick(vcpu);
}

int vcpu_unpark(struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	/* INIT and SIPI that came meanwhile take effect by the query, and then do not count. */
	if (ioctl(vcpu->kvm.fd, KVM_GET_MP_STATE, &state))
		return -errno;
	state.mp_state = KVM_MP_STATE_UNINITIALIZED;
	if (ioctl(vcpu->kvm.fd, KVM_SET_MP_STATE, &state))
		return -errno;
	atomic_store(&vcpu->requests, 0);
	pthread_mutex_lock(&vcpu->lock);
	atomic_store(&vcpu->parked, false);
	pthread_cond_signal(&vcpu->wake);
	pthread_mutex_unlock(&vcpu->lock);
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->lock);
	pthread_cond_signal(&vcpu->wake);
	pthread_mutex_unlock(&vcpu->lock);
	/* Catches a thread on its way into KVM_RUN; the signal catches one that is inside. */
	__atomic_store_n(&vcpu->kvm.run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, SIG_KICK);
}

void vcpu_request(struct vcpu *vcpu, unsigned int request)
{
	atomic_fetch_or(&vcpu->requests, request);
	vcpu_kick(vcpu);
}
