/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints vmm:*; they format lazily and print names, not numbers. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmm

#if !defined(VMM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMM_TRACE_H

#include <linux/tracepoint.h>
#include "vmm.h"

#define VMM_TRACE_KIND(name) { VMEXIT_##name, #name },
#define VMM_TRACE_KINDS VMEXIT_KINDS(VMM_TRACE_KIND) { -1, NULL }

TRACE_EVENT(vmm_entry,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->rip = vcpu->state.rip;
	),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu, __entry->rip)
);

TRACE_EVENT(vmm_exit,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, kind)
		__field(u64, rip)
		__field(u64, hw_reason)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->kind = vcpu->exit.kind;
		__entry->rip = vcpu->state.rip;
		__entry->hw_reason = vcpu->exit.hw_reason;
	),
	TP_printk("vcpu %u %s rip 0x%llx hw 0x%llx", __entry->vcpu,
		  __print_symbolic(__entry->kind, VMM_TRACE_KINDS), __entry->rip,
		  __entry->hw_reason)
);

TRACE_EVENT(vmm_page_fault,
	TP_PROTO(struct vcpu *vcpu, gpa_t gpa, u64 error),
	TP_ARGS(vcpu, gpa, error),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, gpa)
		__field(u64, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->gpa = gpa;
		__entry->error = error;
	),
	TP_printk("vcpu %u gpa 0x%llx error 0x%llx", __entry->vcpu, __entry->gpa, __entry->error)
);

TRACE_EVENT(vmm_inject,
	TP_PROTO(struct vcpu *vcpu, const struct event *ev),
	TP_ARGS(vcpu, ev),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, type)
		__field(u8, vector)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->type = ev->type;
		__entry->vector = ev->vector;
		__entry->error = ev->has_error ? ev->error : 0;
	),
	TP_printk("vcpu %u %s vector 0x%x error 0x%x", __entry->vcpu,
		  __print_symbolic(__entry->type, { EVENT_INTR, "INTR" }, { EVENT_NMI, "NMI" },
				   { EVENT_EXCEPTION, "EXCEPTION" },
				   { EVENT_SOFT_INTR, "SOFT_INTR" },
				   { EVENT_PRIV_SOFT_EXC, "PRIV_SOFT_EXC" },
				   { EVENT_SOFT_EXC, "SOFT_EXC" }),
		  __entry->vector, __entry->error)
);

TRACE_EVENT(vmm_hypercall,
	TP_PROTO(struct vcpu *vcpu, u64 nr, u64 a0, u64 a1),
	TP_ARGS(vcpu, nr, a0, a1),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, nr)
		__field(u64, a0)
		__field(u64, a1)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->nr = nr;
		__entry->a0 = a0;
		__entry->a1 = a1;
	),
	TP_printk("vcpu %u nr %llu a0 0x%llx a1 0x%llx", __entry->vcpu, __entry->nr, __entry->a0,
		  __entry->a1)
);

TRACE_EVENT(vmm_mmio,
	TP_PROTO(struct vcpu *vcpu, bool write, gpa_t gpa, u32 len, u64 val),
	TP_ARGS(vcpu, write, gpa, len, val),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, write)
		__field(u64, gpa)
		__field(u32, len)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->write = write;
		__entry->gpa = gpa;
		__entry->len = len;
		__entry->val = val;
	),
	TP_printk("vcpu %u %s gpa 0x%llx len %u val 0x%llx", __entry->vcpu,
		  __entry->write ? "write" : "read", __entry->gpa, __entry->len, __entry->val)
);

TRACE_EVENT(vmm_pio,
	TP_PROTO(struct vcpu *vcpu, bool write, u16 port, u32 size, u32 count),
	TP_ARGS(vcpu, write, port, size, count),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, write)
		__field(u16, port)
		__field(u32, size)
		__field(u32, count)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->write = write;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
	),
	TP_printk("vcpu %u %s port 0x%x size %u count %u", __entry->vcpu,
		  __entry->write ? "out" : "in", __entry->port, __entry->size, __entry->count)
);

TRACE_EVENT(vmm_msr,
	TP_PROTO(struct vcpu *vcpu, bool write, u32 msr, u64 val, bool fault),
	TP_ARGS(vcpu, write, msr, val, fault),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(bool, write)
		__field(bool, fault)
		__field(u32, msr)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->write = write;
		__entry->fault = fault;
		__entry->msr = msr;
		__entry->val = val;
	),
	TP_printk("vcpu %u %s 0x%x = 0x%llx%s", __entry->vcpu,
		  __entry->write ? "wrmsr" : "rdmsr", __entry->msr, __entry->val,
		  __entry->fault ? " #GP" : "")
);

#endif /* VMM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
