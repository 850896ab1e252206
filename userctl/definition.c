// SPDX-License-Identifier: GPL-2.0
#include "definition.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 64

/* struct reader - a file being read; what it says lives as long as the program */
struct reader {
	struct run_options *o;
	char *seen[KEYS_MAX], *append, key[64];
	unsigned int count;
	bool failed;
};

static bool may_repeat(const char *key)
{
	static const char *const keys[] = { "disk", "net", "port", "share", "module" };
	unsigned int i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(key, keys[i]))
			return true;
	}
	return false;
}

/* A command line may take several: each is a part of it. */
static int add_append(struct reader *r, const char *value)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", r->append ? r->append : "", r->append ? " " : "", value) <
	    0)
		return fault(&r->o->err, EX_OSERR, "out of memory");
	free(r->append);
	r->append = longer;
	return run_option(r->o, "append", longer);
}

static int note_key(struct reader *r, const char *key)
{
	unsigned int i;

	for (i = 0; i < r->count; i++) {
		if (!strcmp(r->seen[i], key))
			return fault(&r->o->err, EX_DATAERR, "it is given twice");
	}
	if (r->count < KEYS_MAX)
		r->seen[r->count++] = strdup(key);
	return 0;
}

static int take(struct reader *r, const char *section, const char *key, const char *value)
{
	if (strcmp(section, "vm"))
		return fault(&r->o->err, EX_DATAERR, "all keys stand in the section [vm]");
	if (!strcmp(key, "name"))
		return fault(&r->o->err, EX_DATAERR, "the file's name is the VM's");
	if (!strcmp(key, "append"))
		return add_append(r, value);
	if (!may_repeat(key) && note_key(r, key))
		return -1;
	return run_option(r->o, key, strdup(value));
}

/* inih tells the line of the first error by what ini_parse() returns. */
static int handle(void *opaque, const char *section, const char *key, const char *value)
{
	struct reader *r = opaque;

	if (r->failed)
		return 1;
	if (!take(r, section, key, value))
		return 1;
	snprintf(r->key, sizeof(r->key), "%s", key);
	r->failed = true;
	return 0;
}

int definition_read(const char *path, struct run_options *o)
{
	struct reader r = { .o = o };
	struct error why;
	int line;

	errno = 0;
	line = ini_parse(path, handle, &r);
	while (r.count)
		free(r.seen[--r.count]);
	if (line == -1 && errno == ENOENT)
		return 1;
	if (line == -1)
		return fault_errno(&o->err, EX_NOINPUT, errno, "definition %s", path);
	if (line < 0)
		return fault(&o->err, EX_OSERR, "definition %s: out of memory", path);
	if (!line)
		return 0;
	why = o->err;
	if (r.failed)
		return fault(&o->err, EX_DATAERR, "%s:%d: %s: %.300s", path, line, r.key, why.text);
	return fault(&o->err, EX_DATAERR,
		     "%s:%d: neither [vm] nor KEY = VALUE, in less than 200 characters", path,
		     line);
}

int definition_find(const char *name, struct run_options *o)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int ret = 1;

	if (config && *config)
		snprintf(path, sizeof(path), "%s/vmm/%s.ini", config, name);
	else
		snprintf(path, sizeof(path), "%s/.config/vmm/%s.ini", home ? home : "", name);
	if ((config && *config) || home)
		ret = definition_read(path, o);
	if (ret != 1)
		return ret;
	snprintf(path, sizeof(path), "/etc/vmm/%s.ini", name);
	return definition_read(path, o);
}
