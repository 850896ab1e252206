// SPDX-License-Identifier: GPL-2.0
/* ACPI Specification 6.4, chapter 20 (AML) and 6.4.2 (small resource descriptors). */
#include "aml.h"

#include <string.h>

#define OP_ZERO       0x00
#define OP_ONE        0x01
#define OP_NAME       0x08
#define OP_BYTE       0x0a
#define OP_WORD       0x0b
#define OP_DWORD      0x0c
#define OP_STRING     0x0d
#define OP_QWORD      0x0e
#define OP_SCOPE      0x10
#define OP_BUFFER     0x11
#define OP_PACKAGE    0x12
#define OP_METHOD     0x14
#define OP_DUAL_NAME  0x2e
#define OP_MULTI_NAME 0x2f
#define OP_EXT        0x5b
#define OP_EXT_REGION 0x80
#define OP_EXT_FIELD  0x81
#define OP_EXT_DEVICE 0x82
#define OP_LOCAL0     0x60
#define OP_STORE      0x70
#define OP_AND        0x7b
#define OP_NOTIFY     0x86
#define OP_IF         0xa0
#define OP_RETURN     0xa4

#define METHOD_SERIALIZED 0x08
#define REGION_IO         1
#define FIELD_DWORDS      0x43 /* accesses of 32 bits; what is not written becomes zero */

#define RES_IRQ_NO_FLAGS 0x22
#define RES_IO           0x47
#define RES_END          0x79
#define RES_MEMORY32     0x86
#define RES_DWORD_SPACE  0x87
#define RES_WORD_SPACE   0x88
#define SPACE_MEMORY     0
#define SPACE_BUSES      2
#define SPACE_FIXED      0x0c /* minimum and maximum are fixed */
#define MEMORY_WRITABLE  0x01

void aml_init(struct aml *aml)
{
	memset(aml, 0, sizeof(*aml));
}

bool aml_done(const struct aml *aml)
{
	return !aml->overflow;
}

static void emit(struct aml *aml, const void *data, size_t len)
{
	if (aml->overflow || len > sizeof(aml->buf) - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->buf + aml->len, data, len);
	aml->len += len;
}

static void emit_byte(struct aml *aml, uint8_t byte)
{
	emit(aml, &byte, 1);
}

static size_t segment_len(const char *name)
{
	return strcspn(name, ".");
}

static uint8_t count_segments(const char *name)
{
	uint8_t n = 1;

	for (; *name; name++)
		n += *name == '.';
	return n;
}

void aml_name(struct aml *aml, const char *name)
{
	uint8_t count = count_segments(name);
	char seg[5];
	size_t len;

	if (*name == '\\') {
		emit_byte(aml, '\\');
		name++;
	}
	if (count == 2)
		emit_byte(aml, OP_DUAL_NAME);
	if (count > 2) {
		emit_byte(aml, OP_MULTI_NAME);
		emit_byte(aml, count);
	}
	for (; count; count--, name += len + 1) {
		len = segment_len(name);
		memcpy(seg, "____", sizeof(seg));
		memcpy(seg, name, len < 4 ? len : 4);
		emit(aml, seg, 4);
		if (!name[len])
			break;
	}
}

void aml_integer(struct aml *aml, uint64_t value)
{
	uint8_t op;
	size_t len;

	if (value <= 1) {
		emit_byte(aml, value ? OP_ONE : OP_ZERO);
		return;
	}
	if (value <= UINT8_MAX) {
		op = OP_BYTE;
		len = 1;
	} else if (value <= UINT16_MAX) {
		op = OP_WORD;
		len = 2;
	} else if (value <= UINT32_MAX) {
		op = OP_DWORD;
		len = 4;
	} else {
		op = OP_QWORD;
		len = 8;
	}
	emit_byte(aml, op);
	emit(aml, &value, len); /* little-endian, like the host */
}

void aml_string(struct aml *aml, const char *text)
{
	emit_byte(aml, OP_STRING);
	emit(aml, text, strlen(text) + 1);
}

void aml_buffer(struct aml *aml, const void *data, size_t len)
{
	size_t place;

	emit_byte(aml, OP_BUFFER);
	place = aml->len;
	aml_integer(aml, len);
	emit(aml, data, len);
	aml_close(aml, place);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of 5 bits and four hexadecimal digits, stored big-endian. */
void aml_eisaid(struct aml *aml, const char *id)
{
	uint32_t v = 0;
	unsigned int i;

	for (i = 0; i < 3; i++)
		v = v << 5 | ((uint32_t)(id[i] - '@') & 0x1f);
	for (i = 3; i < 7; i++)
		v = v << 4 | (hex_digit(id[i]) & 0xf);
	aml_integer(aml, __builtin_bswap32(v));
}

void aml_open_name(struct aml *aml, const char *name)
{
	emit_byte(aml, OP_NAME);
	aml_name(aml, name);
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	aml_open_name(aml, name);
	aml_integer(aml, value);
}

size_t aml_open_scope(struct aml *aml, const char *name)
{
	size_t place;

	emit_byte(aml, OP_SCOPE);
	place = aml->len;
	aml_name(aml, name);
	return place;
}

size_t aml_open_device(struct aml *aml, const char *name)
{
	size_t place;

	emit_byte(aml, OP_EXT);
	emit_byte(aml, OP_EXT_DEVICE);
	place = aml->len;
	aml_name(aml, name);
	return place;
}

size_t aml_open_method(struct aml *aml, const char *name, unsigned int args)
{
	size_t place;

	emit_byte(aml, OP_METHOD);
	place = aml->len;
	aml_name(aml, name);
	emit_byte(aml, (uint8_t)(args | METHOD_SERIALIZED));
	return place;
}

static void emit_local(struct aml *aml, unsigned int local)
{
	emit_byte(aml, (uint8_t)(OP_LOCAL0 + local));
}

void aml_load(struct aml *aml, unsigned int local, const char *name)
{
	emit_byte(aml, OP_STORE);
	aml_name(aml, name);
	emit_local(aml, local);
}

void aml_store(struct aml *aml, const char *name, unsigned int local)
{
	emit_byte(aml, OP_STORE);
	emit_local(aml, local);
	aml_name(aml, name);
}

void aml_store_integer(struct aml *aml, const char *name, uint64_t value)
{
	emit_byte(aml, OP_STORE);
	aml_integer(aml, value);
	aml_name(aml, name);
}

size_t aml_open_if(struct aml *aml, unsigned int local, uint64_t mask)
{
	size_t place;

	emit_byte(aml, OP_IF);
	place = aml->len;
	emit_byte(aml, OP_AND);
	emit_local(aml, local);
	aml_integer(aml, mask);
	emit_byte(aml, 0); /* the result goes nowhere else */
	return place;
}

void aml_notify(struct aml *aml, const char *name, uint64_t value)
{
	emit_byte(aml, OP_NOTIFY);
	aml_name(aml, name);
	aml_integer(aml, value);
}

void aml_return(struct aml *aml, uint64_t value)
{
	emit_byte(aml, OP_RETURN);
	aml_integer(aml, value);
}

void aml_ports(struct aml *aml, const char *name, uint16_t base, uint8_t len)
{
	emit_byte(aml, OP_EXT);
	emit_byte(aml, OP_EXT_REGION);
	aml_name(aml, name);
	emit_byte(aml, REGION_IO);
	aml_integer(aml, base);
	aml_integer(aml, len);
}

void aml_registers(struct aml *aml, const char *region, const char *const *names,
		   unsigned int count)
{
	size_t place;

	emit_byte(aml, OP_EXT);
	emit_byte(aml, OP_EXT_FIELD);
	place = aml->len;
	aml_name(aml, region);
	emit_byte(aml, FIELD_DWORDS);
	for (; count; count--) {
		aml_name(aml, *names++);
		emit_byte(aml, 32); /* bits, in the encoding of lengths */
	}
	aml_close(aml, place);
}

size_t aml_open_package(struct aml *aml, uint8_t elements)
{
	size_t place;

	emit_byte(aml, OP_PACKAGE);
	place = aml->len;
	emit_byte(aml, elements);
	return place;
}

/*
 * PkgLength counts itself. One byte holds 6 bits of length; more bytes follow a lead byte with
 * their number in bits 7:6 and the length's lowest 4 bits in bits 3:0.
 */
void aml_close(struct aml *aml, size_t place)
{
	size_t body = aml->len - place, total, extra, i;
	uint8_t enc[4];

	extra = body + 1 < 0x40 ? 0 : body + 2 < 0x1000 ? 1 : body + 3 < 0x100000 ? 2 : 3;
	total = body + 1 + extra;
	if (!extra) {
		enc[0] = (uint8_t)total;
	} else {
		enc[0] = (uint8_t)(extra << 6 | (total & 0xf));
		for (i = 0; i < extra; i++)
			enc[1 + i] = (uint8_t)(total >> (4 + 8 * i));
	}
	emit(aml, enc, 1 + extra); /* grows the buffer; the bytes are put right below */
	if (aml->overflow)
		return;
	memmove(aml->buf + place + 1 + extra, aml->buf + place, body);
	memcpy(aml->buf + place, enc, 1 + extra);
}

static void res_emit(struct aml_resources *res, const uint8_t *data, size_t len)
{
	if (len > sizeof(res->buf) - 2 - res->len)
		return;
	memcpy(res->buf + res->len, data, len);
	res->len += len;
}

void aml_res_io(struct aml_resources *res, uint16_t base, uint8_t len)
{
	uint8_t lo = base & 0xff, hi = (uint8_t)(base >> 8);
	/* Decodes 16 bits; minimum and maximum base agree; alignment 1. */
	uint8_t desc[8] = { RES_IO, 1, lo, hi, lo, hi, 1, len };

	res_emit(res, desc, sizeof(desc));
}

static void put(uint8_t *p, uint32_t val, unsigned int bytes)
{
	for (; bytes; bytes--, val >>= 8)
		*p++ = (uint8_t)val;
}

/* ACPI 6.4, 6.4.3.5: granularity 0, minimum, maximum, translation 0, length. */
static void res_space(struct aml_resources *res, uint8_t type, uint8_t flags, uint32_t first,
		      uint32_t len)
{
	unsigned int width = type == SPACE_BUSES ? 2 : 4;
	uint8_t desc[26] = { type == SPACE_BUSES ? RES_WORD_SPACE : RES_DWORD_SPACE,
			     (uint8_t)(3 + 5 * width),
			     0,
			     type,
			     SPACE_FIXED,
			     flags };

	put(desc + 6 + width, first, width);
	put(desc + 6 + 2 * width, first + (len - 1), width);
	put(desc + 6 + 4 * width, len, width);
	res_emit(res, desc, 6 + 5 * width);
}

void aml_res_buses(struct aml_resources *res, uint16_t first, uint16_t last)
{
	res_space(res, SPACE_BUSES, 0, first, last - first + 1u);
}

void aml_res_window(struct aml_resources *res, uint32_t base, uint32_t len)
{
	res_space(res, SPACE_MEMORY, MEMORY_WRITABLE, base, len);
}

void aml_res_memory(struct aml_resources *res, uint32_t base, uint32_t len)
{
	uint8_t desc[12] = { RES_MEMORY32, 9, 0, MEMORY_WRITABLE };

	put(desc + 4, base, 4);
	put(desc + 8, len, 4);
	res_emit(res, desc, sizeof(desc));
}

void aml_res_irq(struct aml_resources *res, unsigned int irq)
{
	uint16_t mask = (uint16_t)(1u << irq);
	uint8_t desc[3] = { RES_IRQ_NO_FLAGS, mask & 0xff, (uint8_t)(mask >> 8) };

	res_emit(res, desc, sizeof(desc));
}

void aml_crs(struct aml *aml, struct aml_resources *res)
{
	/* A checksum of zero means that there is none to check. */
	uint8_t end[2] = { RES_END, 0 };

	memcpy(res->buf + res->len, end, sizeof(end));
	res->len += sizeof(end);
	aml_open_name(aml, "_CRS");
	aml_buffer(aml, res->buf, res->len);
}
