// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzzer as a test: a bounded number of runs, and TAP. "-repeat FOLDER": each input that is
 * there, and nothing else. With other arguments it is libFuzzer's own.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned char u8;

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const u8 *data, size_t size));
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static unsigned long runs, wanted;
static bool quiet;

static int run_one(const u8 *data, size_t size)
{
	runs++;
	return LLVMFuzzerTestOneInput(data, size);
}

/* libFuzzer ends a good run by exit(), a bad one without. */
static void report(void)
{
	if (quiet)
		printf("# figure %lu inputs fuzzed\n%s 1 - %lu runs\n", runs,
		       runs >= wanted ? "ok" : "not ok", runs);
}

#define STRING(x) #x
#define EXPAND(x) STRING(x)

int main(int argc, char **argv)
{
	char *bounded[9] = {
		"fuzz",          "-runs=" EXPAND(FUZZ_RUNS), "-seed=1",
		"-max_len=2048", "-len_control=0",           "-artifact_prefix=/tmp/vmm-fuzz-",
		"-verbosity=0",  "-print_final_stats=0",     NULL,
	};
	char *repeat[7] = {
		"fuzz",
		"-runs=0",
		"-max_len=4096",
		"-artifact_prefix=/tmp/vmm-fuzz-",
		"-verbosity=0",
		"",
		NULL,
	};
	char **args = argv;

	quiet = argc == 1 || (argc == 3 && !strcmp(argv[1], "-repeat"));
	if (quiet) {
		args = argc == 1 ? bounded : repeat;
		wanted = argc == 1 ? FUZZ_RUNS : 1;
		repeat[5] = argv[argc - 1];
		argc = argc == 1 ? 8 : 6;
		puts("TAP version 13\n1..1");
		fflush(stdout);
	}
	atexit(report);
	return LLVMFuzzerRunDriver(&argc, &args, run_one);
}
