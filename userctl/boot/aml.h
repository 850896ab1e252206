/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A builder of ACPI Machine Language.
 *
 * Terms are appended in order; those with a length are opened with aml_open_*() and closed with
 * aml_close(), which must nest. Running out of room is remembered and told by aml_done().
 */
#ifndef VMCTL_AML_H
#define VMCTL_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_MAX 32768

/**
 * struct aml - a byte code under construction
 * @buf: the bytes
 * @len: how many
 * @overflow: they did not all fit
 */
struct aml {
	uint8_t buf[AML_MAX];
	size_t len;
	bool overflow;
};

void aml_init(struct aml *aml);

/**
 * aml_done() - is the byte code whole?
 * @aml: the builder, with everything closed
 */
bool aml_done(const struct aml *aml);

/*
 * A name of at most 4 characters, padded with underscores; a leading backslash means the root, dots
 * lie between the names of a path.
 */
void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);

/* Buffer () { ... } */
void aml_buffer(struct aml *aml, const void *data, size_t len);

/* EISA identifier such as "PNP0501", as the integer that _HID takes. */
void aml_eisaid(struct aml *aml, const char *id);

/* Name (name, ...): the object follows. */
void aml_open_name(struct aml *aml, const char *name);

/* Name (name, integer) */
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);

/* Each returns the place to hand to aml_close(). */
size_t aml_open_scope(struct aml *aml, const char *name);
size_t aml_open_device(struct aml *aml, const char *name);
size_t aml_open_package(struct aml *aml, uint8_t elements);
void aml_close(struct aml *aml, size_t place);

/* Method (name, args, Serialized) { ... } */
size_t aml_open_method(struct aml *aml, const char *name, unsigned int args);

/* Within a method: local = name; name = local; name = value. Locals are 0 to 7. */
void aml_load(struct aml *aml, unsigned int local, const char *name);
void aml_store(struct aml *aml, const char *name, unsigned int local);
void aml_store_integer(struct aml *aml, const char *name, uint64_t value);

/* If (local & mask) { ... } */
size_t aml_open_if(struct aml *aml, unsigned int local, uint64_t mask);
void aml_notify(struct aml *aml, const char *name, uint64_t value);
void aml_return(struct aml *aml, uint64_t value);

/* OperationRegion (name, SystemIO, base, len) */
void aml_ports(struct aml *aml, const char *name, uint16_t base, uint8_t len);

/* Field (region, DWordAcc, NoLock, WriteAsZeros): registers of 32 bits, one after the other. */
void aml_registers(struct aml *aml, const char *region, const char *const *names,
		   unsigned int count);

/* Name (_CRS, ResourceTemplate () { ... }): descriptors between open and close. */
struct aml_resources {
	uint8_t buf[256];
	size_t len;
};

void aml_res_io(struct aml_resources *res, uint16_t base, uint8_t len);
void aml_res_buses(struct aml_resources *res, uint16_t first, uint16_t last);
void aml_res_memory(struct aml_resources *res, uint32_t base, uint32_t len);
/* Memory that a bridge passes on to its bus. */
void aml_res_window(struct aml_resources *res, uint32_t base, uint32_t len);
void aml_res_irq(struct aml_resources *res, unsigned int irq);
void aml_crs(struct aml *aml, struct aml_resources *res);

#endif
