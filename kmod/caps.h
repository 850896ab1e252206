/* SPDX-License-Identifier: GPL-2.0 */
/* Capabilities: KVM_ENABLE_CAP (KVM_CHECK_EXTENSION is vm_check_extension() in vmm.h). */
#ifndef VMM_CAPS_H
#define VMM_CAPS_H

#include "vmm.h"

int vm_enable_cap(struct vmm *vm, const struct kvm_enable_cap *cap);

#endif /* VMM_CAPS_H */
