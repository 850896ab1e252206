// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous page faults (virt/kvm/x86/msr.rst, MSR_KVM_ASYNC_PF_EN). Where the host would have
 * to wait for a page, the guest gets a #PF that is none, with a token, and runs another task. A
 * worker waits for the page; then an interrupt tells the guest, with the same token.
 *
 * A work holds references to mm and VM, and to the module: it outlives the files that were closed
 * meanwhile, and what it waits for may be up to another process. The vCPU lives as long as its VM.
 * Nothing of a slot is kept, only the host's address, which need not mean anything any more: the
 * worker only has the host touch it.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../backend.h"
#include "../cpu/cpu.h"

#define APF_MAX		64	/* of one vCPU, waiting or to be told */
#define APF_TOKEN_IDS	12	/* bits of a token that are the vCPU's id */
#define APF_WAKE_ALL	(~0u)	/* a token: whoever waits shall look again */

static_assert(BIT(APF_TOKEN_IDS) >= VMM_MAX_VCPU_ID);

/**
 * struct apf - one page that a vCPU does not wait for
 * @work: of apf_queue
 * @list: in vcpu->pv.apf, under its lock
 * @vcpu: whose fault it was
 * @mm: of the VM, with a reference to its users
 * @hva: the page
 * @write: it shall be writable
 * @ready: the worker has done with it
 * @told: the guest waits for @token; cleared when it has switched the feature off
 * @token: as it was given to the guest
 */
struct apf {
	struct work_struct work;
	struct list_head list;
	struct vcpu *vcpu;
	struct mm_struct *mm;
	hva_t hva;
	bool write, ready, told;
	u32 token;
};

/*
 * No more than may run at once: a work never waits for another, which may take for ever. Where
 * there are none left the vCPU itself waits.
 */
#define APF_WORKS	256

static struct workqueue_struct *apf_queue;
static atomic_t apf_works;

static bool apf_enabled(const struct vcpu *vcpu)
{
	const u64 on = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	return (vcpu->pv.apf_en & on) == on;
}

static gpa_t apf_gpa(const struct vcpu *vcpu, size_t member)
{
	return (vcpu->pv.apf_en & ~0x3full) + member;
}

/* ---- the worker ---- */

static void apf_work(struct work_struct *work)
{
	struct apf *apf = container_of(work, struct apf, work);
	struct vcpu *vcpu = apf->vcpu;
	unsigned int flags = FAULT_FLAG_REMOTE | (apf->write ? FAULT_FLAG_WRITE : 0);
	struct vmm *vm = vcpu->vm;
	bool unlocked = false;

	mmap_read_lock(apf->mm);
	/* If that fails the guest's next access says why. */
	fixup_user_fault(apf->mm, apf->hva, flags, &unlocked);
	mmap_read_unlock(apf->mm);
	mmput(apf->mm);
	spin_lock(&vcpu->pv.apf_lock);
	apf->ready = true;
	spin_unlock(&vcpu->pv.apf_lock);
	vcpu_request(vcpu, REQ_APF);
	vcpu_wake(vcpu);
	vm_put(vm);
	atomic_dec(&apf_works);
	module_put(THIS_MODULE);
}

/* ---- page not present ---- */

/* Could the guest take an event here, and do something else? */
static bool apf_acceptable(struct vcpu *vcpu)
{
	u32 flags;

	if (!apf_enabled(vcpu) || !vcpu->apic || vcpu->pv.apf_count >= APF_MAX)
		return false;
	if (!vcpu->state.cpl && !(vcpu->pv.apf_en & KVM_ASYNC_PF_SEND_ALWAYS))
		return false;
	if (vcpu->events.injected.type != EVENT_NONE || vcpu->events.exception.pending ||
	    !events_interrupt_allowed(vcpu))
		return false;
	/* The last one must have been looked at. */
	return !memory_read(vcpu->vm, apf_gpa(vcpu, 0), &flags, sizeof(flags)) && !flags;
}

static bool apf_waits_for(struct vcpu *vcpu, hva_t hva)
{
	struct apf *apf;
	bool found = false;

	spin_lock(&vcpu->pv.apf_lock);
	list_for_each_entry(apf, &vcpu->pv.apf, list)
		found |= apf->hva == hva && apf->told && !apf->ready;
	spin_unlock(&vcpu->pv.apf_lock);
	return found;
}

static void apf_queue_entry(struct vcpu *vcpu, struct apf *apf)
{
	spin_lock(&vcpu->pv.apf_lock);
	list_add_tail(&apf->list, &vcpu->pv.apf);
	spin_unlock(&vcpu->pv.apf_lock);
	vcpu->pv.apf_count++;
}

static u32 apf_next_token(struct vcpu *vcpu)
{
	const u32 last = (U32_MAX >> APF_TOKEN_IDS) - 1;

	/* Neither 0 nor APF_WAKE_ALL. */
	vcpu->pv.apf_serial = vcpu->pv.apf_serial >= last ? 1 : vcpu->pv.apf_serial + 1;
	return vcpu->pv.apf_serial << APF_TOKEN_IDS | vcpu->id;
}

static struct apf *apf_alloc(void)
{
	struct apf *apf = NULL;

	if (atomic_inc_return(&apf_works) <= APF_WORKS)
		apf = kzalloc(sizeof(*apf), GFP_KERNEL_ACCOUNT);
	if (!apf)
		atomic_dec(&apf_works);
	return apf;
}

static int apf_begin(struct vcpu *vcpu, hva_t hva, bool write)
{
	const u32 flags = KVM_PV_REASON_PAGE_NOT_PRESENT;
	struct apf *apf = apf_alloc();

	if (!apf)
		return -EAGAIN;
	if (memory_write(vcpu, apf_gpa(vcpu, 0), &flags, sizeof(flags))) {
		atomic_dec(&apf_works);
		kfree(apf);
		return -EAGAIN;
	}
	apf->vcpu = vcpu;
	apf->mm = vcpu->vm->mm;
	apf->hva = hva;
	apf->write = write;
	apf->told = true;
	apf->token = apf_next_token(vcpu);
	INIT_WORK(&apf->work, apf_work);
	apf_queue_entry(vcpu, apf);
	vm_get(vcpu->vm);
	mmget(apf->mm);
	__module_get(THIS_MODULE);
	queue_work(apf_queue, &apf->work);
	vcpu->stats.apf_not_present++;
	events_raise_payload(vcpu, X86_TRAP_PF, true, 0, apf->token);
	return 1;
}

/**
 * apf_page_in() - the host has no page for the guest: does it have to wait?
 * @vcpu: the vCPU
 * @hva: the page
 * @write: it shall be writable
 *
 * Return: 0: it is there now; 1: the guest does something else meanwhile; -EAGAIN: wait for it
 */
int apf_page_in(struct vcpu *vcpu, hva_t hva, bool write)
{
	struct page *page;

	if (current->mm != vcpu->vm->mm || !apf_acceptable(vcpu))
		return -EAGAIN;
	switch (get_user_pages_unlocked(hva, 1, &page, FOLL_NOWAIT | (write ? FOLL_WRITE : 0))) {
	case 1:
		put_page(page);
		return 0;
	case 0:
		return apf_waits_for(vcpu, hva) ? -EAGAIN : apf_begin(vcpu, hva, write);
	default:
		return -EAGAIN;
	}
}

/* ---- page ready ---- */

/* Take the first that is ready off the list; of those nobody waits for nothing is left. */
static struct apf *apf_take_ready(struct vcpu *vcpu)
{
	struct apf *apf, *next, *found = NULL;
	LIST_HEAD(gone);

	spin_lock(&vcpu->pv.apf_lock);
	list_for_each_entry_safe(apf, next, &vcpu->pv.apf, list) {
		if (!apf->ready || (found && apf->told))
			continue;
		list_move_tail(&apf->list, &gone);
		if (apf->told)
			found = apf;
	}
	spin_unlock(&vcpu->pv.apf_lock);
	list_for_each_entry_safe(apf, next, &gone, list) {
		vcpu->pv.apf_count--;
		if (apf != found)
			kfree(apf);
	}
	return found;
}

static bool apf_guest_listens(struct vcpu *vcpu)
{
	const size_t token = offsetof(struct kvm_vcpu_pv_apf_data, token);
	u32 old;

	return apf_enabled(vcpu) && vcpu->apic && !vcpu->pv.apf_unacked &&
	       !memory_read(vcpu->vm, apf_gpa(vcpu, token), &old, sizeof(old)) && !old;
}

/**
 * apf_ready() - REQ_APF: tell the guest of the next page that is there
 * @vcpu: the vCPU
 *
 * The one after it has to wait until the guest has acknowledged (MSR_KVM_ASYNC_PF_ACK).
 */
void apf_ready(struct vcpu *vcpu)
{
	const size_t token = offsetof(struct kvm_vcpu_pv_apf_data, token);
	struct irq_msg msg = { .vector = vcpu->pv.apf_vector, .shorthand = 1, .assert = true };
	u32 what = APF_WAKE_ALL;
	struct apf *apf;

	if (!apf_guest_listens(vcpu))
		return;
	if (!vcpu->pv.apf_wake_all) {
		apf = apf_take_ready(vcpu);
		if (!apf)
			return;
		what = apf->token;
		kfree(apf);
	}
	vcpu->pv.apf_wake_all = false;
	if (memory_write(vcpu, apf_gpa(vcpu, token), &what, sizeof(what)))
		return;
	vcpu->pv.apf_unacked = true;
	vcpu->stats.apf_ready++;
	irq_deliver(vcpu->vm, vcpu, &msg);
}

/* ---- MSRs ---- */

/* Whoever waited is not told: neither of what is ready nor of what will be. */
static void apf_forget(struct vcpu *vcpu)
{
	struct apf *apf;

	vcpu->pv.apf_unacked = false;
	vcpu->pv.apf_wake_all = false;
	if (!vcpu->pv.apf_count)
		return;
	spin_lock(&vcpu->pv.apf_lock);
	list_for_each_entry(apf, &vcpu->pv.apf, list)
		apf->told = false;
	spin_unlock(&vcpu->pv.apf_lock);
	apf_take_ready(vcpu);
}

/**
 * apf_enable() - MSR_KVM_ASYNC_PF_EN
 * @vcpu: the vCPU
 * @val: address and KVM_ASYNC_PF_*
 * @host: user space restores it: what the guest waits for was with another vCPU
 *
 * Return: 0; 1: #GP(0)
 */
int apf_enable(struct vcpu *vcpu, u64 val, bool host)
{
	if (val & 0x30 || (val && !vcpu->apic))
		return 1;
	if ((val & KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT) &&
	    !pv_allowed(vcpu, KVM_FEATURE_ASYNC_PF_VMEXIT))
		return 1;
	if ((val & KVM_ASYNC_PF_DELIVERY_AS_INT) && !pv_allowed(vcpu, KVM_FEATURE_ASYNC_PF_INT))
		return 1;
	vcpu->pv.apf_en = val;
	if (!apf_enabled(vcpu)) {
		apf_forget(vcpu);
		return 0;
	}
	vcpu->pv.apf_wake_all = host;
	vcpu_request(vcpu, REQ_APF);
	return 0;
}

/**
 * apf_ack() - MSR_KVM_ASYNC_PF_ACK: the guest has taken the token
 * @vcpu: the vCPU
 * @val: bit 0
 */
void apf_ack(struct vcpu *vcpu, u64 val)
{
	if (!(val & 1))
		return;
	vcpu->pv.apf_unacked = false;
	vcpu_request(vcpu, REQ_APF);
}

/* ---- lifetime ---- */

/**
 * apf_reset() - RESET, INIT
 * @vcpu: the vCPU
 */
void apf_reset(struct vcpu *vcpu)
{
	vcpu->pv.apf_en = 0;
	vcpu->pv.apf_vector = 0;
	apf_forget(vcpu);
}

/**
 * apf_create() - a new vCPU
 * @vcpu: the vCPU
 */
void apf_create(struct vcpu *vcpu)
{
	spin_lock_init(&vcpu->pv.apf_lock);
	INIT_LIST_HEAD(&vcpu->pv.apf);
}

/**
 * apf_destroy() - the vCPU goes, and with it its VM: no work is left
 * @vcpu: the vCPU
 */
void apf_destroy(struct vcpu *vcpu)
{
	struct apf *apf, *next;

	list_for_each_entry_safe(apf, next, &vcpu->pv.apf, list)
		kfree(apf);
}

int apf_module_init(void)
{
	apf_queue = alloc_workqueue("vmm_apf", WQ_UNBOUND, APF_WORKS);
	return apf_queue ? 0 : -ENOMEM;
}

void apf_module_exit(void)
{
	destroy_workqueue(apf_queue);
}
