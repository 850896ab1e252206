/* SPDX-License-Identifier: GPL-2.0 */
/* Private to glue.c and fetch.c: the interpreter of one vCPU. */
#ifndef VMM_INTERP_GLUE_H
#define VMM_INTERP_GLUE_H

#include "../backend.h"
#include "interp.h"

/*
 * struct fetch_cache - host addresses of the frames that the last fetch went through
 * @generation: count of slot changes for which they hold
 * @frame: [0] the page of the code, [n] the guest's table of level n
 */
struct fetch_cache {
	s64 generation;
	struct {
		gfn_t gfn;
		hva_t hva;
	} frame[5];
};

struct interp_vcpu {
	struct interp in;
	struct fetch_cache cache;
	u64 decoded_bytes[2];	/* what in.insn was decoded from by fetch_decode() */
	u8 decoded;		/* their number, 0: in.insn is something else */
	gpa_t gpa;		/* of the exit */
	u64 rip;		/* of the instruction that waits for user space */
	u64 rflags_before;
	bool port;		/* what waits is a port access */
	struct fxregs_state fx __aligned(16);	/* FXSAVE's, see glue_xmm() */
};

static inline struct interp_vcpu *interp_vcpu(struct vcpu *vcpu)
{
	return container_of(vcpu->interp, struct interp_vcpu, in);
}

/* Guest state into the context; all that the pure parts look at. */
void context_load(struct vcpu *vcpu);
/* Instruction bytes into the context and decode them: INTERP_DONE, _FAULT, _RETRY, _UNKNOWN */
int context_decode(struct vcpu *vcpu);
/* Fetch and decode 64-bit code without sleeping: in->insn. false: take the general way. */
bool fetch_decode(struct vcpu *vcpu);
int interp_raise(struct vcpu *vcpu, const struct interp_fault *fault);

#endif /* VMM_INTERP_GLUE_H */
