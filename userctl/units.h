/* SPDX-License-Identifier: GPL-2.0 */
/* Parsing and printing of sizes, counts and names that a user typed. */
#ifndef VMCTL_UNITS_H
#define VMCTL_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KiB 1024ULL
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)
#define TiB (1024 * GiB)

/**
 * size_parse() - read a size in bytes, with a unit
 * @text: decimal digits and at most one of the units B, K, M, G, T (powers of 1024, any case,
 *	  optionally followed by "B" or "iB"); a bare number counts MiB
 * @bytes: the size in bytes
 *
 * Return: 0, -EINVAL for text that is no size, -ERANGE when it does not fit in 64 bits.
 */
int size_parse(const char *text, uint64_t *bytes);

/**
 * size_print() - write a size with the largest unit that divides it
 * @bytes: size in bytes
 * @buf: destination
 * @len: bytes at @buf, 24 always suffice
 *
 * Return: @buf.
 */
const char *size_print(uint64_t bytes, char *buf, size_t len);

/**
 * count_parse() - read a decimal number within a range
 * @text: decimal digits only
 * @min: smallest value accepted
 * @max: largest value accepted
 * @value: the number
 *
 * Return: 0, -EINVAL for text that is no number, -ERANGE when out of range.
 */
int count_parse(const char *text, unsigned long min, unsigned long max, unsigned long *value);

/**
 * name_valid() - may this text name a VM?
 * @name: 1 to 63 of A-Z a-z 0-9 - _ . : @ +, of which the first is a letter: no id begins so
 */
bool name_valid(const char *name);

#endif
