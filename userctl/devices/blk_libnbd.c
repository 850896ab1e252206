// SPDX-License-Identifier: GPL-2.0
#include "blk_libnbd.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#include "../files.h"

#define LIBRARY "libnbd.so.0"

struct function {
	const char *name;
	size_t at;
};

static const struct function functions[] = {
#define FUNCTION(name) { #name, offsetof(struct libnbd, name) },
	LIBNBD_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

static struct libnbd table;
static bool loaded;

static int load(struct error *err)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	unsigned int i;
	void *f;

	if (!lib)
		return fault(err, EX_UNAVAILABLE, "%s: install the package libnbd0", dlerror());
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		f = dlsym(lib, functions[i].name);
		if (!f)
			return fault(err, EX_UNAVAILABLE, "%s: it is too old", dlerror());
		*(void **)((char *)&table + functions[i].at) = f;
	}
	loaded = true;
	return 0;
}

const struct libnbd *libnbd(struct error *err)
{
	if (!loaded && files_sealed()) {
		fault(err, 1,
		      "the VM has given up what it takes to use %s: start it with a disk in that %s",
		      "qcow2", "format, or attach a raw one");
		return NULL;
	}
	if (!loaded && load(err))
		return NULL;
	return &table;
}
