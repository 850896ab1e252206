/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rows of arguments that are refused. scripts/api-table reads them: the file, the ioctl or the
 * capability, and the errno have to be in Documentation/api.rst, and the other way round.
 */
#ifndef ABI_BADINPUT_ARGS_H
#define ABI_BADINPUT_ARGS_H

#include <stddef.h>
#include "badinput.h"

/**
 * struct bad_row - an ioctl that has to fail
 * @arg: what its argument points to, NULL: @value is the argument
 * @get: an ioctl that fills the argument with what is right, in which @value is put at @offset
 */
struct bad_row {
	enum bad_file file;
	enum bad_world world;
	unsigned int nr;
	int err;
	const char *what;
	u64 value;
	const void *arg;
	u32 size;
	unsigned int get;
	u32 offset;
	u32 width;
};

/* A number. */
#define BAD_NR(file, world, nr, err, what, val)          \
	{                                                \
		file, world, nr, err, what, .value = val \
	}

/* A structure, as a compound literal. */
#define BAD(file, world, nr, err, what, ...)                                                   \
	{                                                                                      \
		file, world, nr, err, what, .arg = &(__VA_ARGS__), .size = sizeof(__VA_ARGS__) \
	}

/* What @get_ gives, with one field changed. */
#define BAD_FIELD(file, world, nr, err, what, get_, type, field, val)                        \
	{                                                                                    \
		file, world, nr, err, what, .value = val, .size = sizeof(type), .get = get_, \
					    .offset = offsetof(type, field),                 \
					    .width = sizeof(((type *)0)->field)              \
	}

/* KVM_ENABLE_CAP. */
#define BAD_CAP(file, world, cap_, err, what, arg0) \
	BAD(file, world, KVM_ENABLE_CAP, err, what, \
	    (struct kvm_enable_cap){ .cap = cap_, .args = { arg0 } })

/** refuse_rows() - each row fails with its errno. */
void refuse_rows(const struct bad_row *rows, size_t count);

/** refuse_all() - and the VMs live on. */
void refuse_all(const struct bad_row *rows, size_t count);

#define REFUSE(rows) refuse_all(rows, ARRAY_SIZE(rows))

#endif
