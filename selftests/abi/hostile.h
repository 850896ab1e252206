/* SPDX-License-Identifier: GPL-2.0 */
/* What hostile user space and hostile guests are tested with. */
#ifndef SELFTESTS_HOSTILE_H
#define SELFTESTS_HOSTILE_H

#include "vm.h"

/** rnd() - the next of a sequence that is the same in each run. */
u64 rnd(void);

/** spiteful() - likewise, but often near what means something: zeros, ones, powers of two. */
u64 spiteful(void);

/** run_briefly() - KVM_RUN, but for some 5 ms at most. */
void run_briefly(struct vcpu *v);

/** check_sane() - another VM runs as it should. */
void check_sane(struct vm *vm);

#endif
