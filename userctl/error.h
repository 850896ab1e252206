/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Errors that end the program: a sentence for the user and an exit status.
 *
 * Code that may fail because of what the user gave fills in a struct error and returns -1.
 * Only main() prints, so every layer can be tested without capturing output.
 */
#ifndef VMCTL_ERROR_H
#define VMCTL_ERROR_H

#include <sysexits.h>

/**
 * struct error - why the program has to end
 * @status: exit status, from sysexits.h
 * @text: one sentence without the program's name and without a newline
 */
struct error {
	int status;
	char text[768];
};

/**
 * fault() - describe an error
 * @err: filled in; an earlier description is overwritten
 * @status: exit status, from sysexits.h
 * @fmt: printf format of the sentence
 *
 * Return: -1, so that a caller can `return fault(...)`.
 */
int fault(struct error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * fault_errno() - describe a failed system call
 * @err: filled in
 * @status: exit status, from sysexits.h
 * @errnum: error number, positive or negative
 * @fmt: printf format of what was tried; ": strerror" is appended
 *
 * Return: -1.
 */
int fault_errno(struct error *err, int status, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
