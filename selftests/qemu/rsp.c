// SPDX-License-Identifier: GPL-2.0
/*
 * Speaks GDB's remote protocol with a QEMU that runs rom.S and waits at its first instruction.
 *
 *	rsp PORT step	single steps, registers, memory, an interruption
 *	rsp PORT break	a hardware breakpoint and a watchpoint
 *
 * Status 0 if all is as it should be; says what is not.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESET 0xfff0
#define LOOP  0x1010 /* inc %cx */
#define STORE 0x1011 /* mov %cx, COUNT */
#define BASE  0xf0000
#define COUNT 0x500
#define RCX   2
#define RIP   16

/* Where the steps lead, from the first instruction on. */
static const unsigned int path[] = { 0x1000, 0x1001, 0x1004, 0x1006, 0x1008, 0x1009, 0x100a,
				     LOOP,   STORE,  0x1015, LOOP,   STORE,  0x1015, LOOP };

static char answer[65536];
static int stub;

static void dial(const char *port)
{
	struct timeval limit = { .tv_sec = 120 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	inet_aton("127.0.0.1", &to.sin_addr);
	stub = socket(AF_INET, SOCK_STREAM, 0);
	if (stub < 0 || setsockopt(stub, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    connect(stub, (struct sockaddr *)&to, sizeof(to)))
		err(1, "port %s", port);
}

static char byte(void)
{
	char c;

	if (read(stub, &c, 1) != 1)
		errx(1, "no answer");
	return c;
}

static void put(const char *data, size_t len)
{
	if (write(stub, data, len) != (ssize_t)len)
		err(1, "write");
}

/* Receive a packet; it is acknowledged. */
static const char *receive(void)
{
	size_t n = 0;

	while (byte() != '$')
		;
	while ((answer[n] = byte()) != '#')
		if (++n == sizeof(answer))
			errx(1, "a packet without end");
	answer[n] = 0;
	byte();
	byte();
	put("+", 1);
	return answer;
}

static void send_packet(const char *fmt, ...)
{
	char data[256], packet[300];
	uint8_t sum = 0;
	va_list args;
	char *p;

	va_start(args, fmt);
	vsnprintf(data, sizeof(data), fmt, args);
	va_end(args);
	for (p = data; *p; p++)
		sum += *p;
	put(packet, snprintf(packet, sizeof(packet), "$%s#%02x", data, sum));
}

static void expect(const char *what, const char *begin)
{
	const char *got = receive();

	if (strncmp(got, begin, strlen(begin)))
		errx(1, "%s: %s, not %s", what, got, begin);
}

/* Numbers come as bytes, the lowest first. */
static uint64_t number(const char *hex)
{
	unsigned int i, b;
	uint64_t val = 0;

	for (i = 0; i < 8 && sscanf(hex + 2 * i, "%2x", &b) == 1; i++)
		val |= (uint64_t)b << 8 * i;
	return val;
}

/* All are asked for, as GDB does: for a single one QEMU does not look at the vCPU. */
static uint64_t reg(unsigned int n)
{
	send_packet("g");
	return number(receive() + 16 * n);
}

static uint64_t count(void)
{
	send_packet("m%x,2", COUNT);
	return number(receive());
}

static void expect_rip(const char *what, unsigned int rip)
{
	uint64_t got = reg(RIP);

	if (got != rip)
		errx(1, "%s: at %#llx, not %#x", what, (unsigned long long)got, rip);
}

/* The guest runs, and is interrupted. */
static void run_a_while(void)
{
	send_packet("c");
	usleep(200000);
	put("\3", 1);
	expect("an interruption", "T02");
}

static void test_steps(void)
{
	unsigned int i;

	expect_rip("reset", RESET);
	for (i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		send_packet("s");
		expect("a step", "T05");
		expect_rip("after a step", path[i]);
	}
	if (count() != (uint16_t)reg(RCX))
		errx(1, "memory holds %llu", (unsigned long long)count());
	send_packet("P%x=%016llx", RCX, 0x0010000000000000ull);
	expect("a register written", "OK");
	/* Wherever it is, once around. */
	for (i = 0; i < 3; i++) {
		send_packet("s");
		expect("a step", "T05");
	}
	if (reg(RCX) != 0x1001)
		errx(1, "the counter is %#llx", (unsigned long long)reg(RCX));
	/* It has 16 bits, and may be just there again; or its thread had no processor. */
	for (i = 0; i < 50 && reg(RCX) == 0x1001; i++)
		run_a_while();
	if (reg(RCX) == 0x1001)
		errx(1, "the guest does not run");
}

/* The breakpoint at STORE is set or cleared. */
static void put_breakpoint(char what)
{
	send_packet("%c1,%x,1", what, BASE + STORE);
	expect("a breakpoint set or cleared", "OK");
}

static void test_breakpoints(void)
{
	const char *watch;
	uint64_t before;

	put_breakpoint('Z');
	send_packet("c");
	expect("a breakpoint", "T05");
	expect_rip("at the breakpoint", STORE);
	before = reg(RCX);
	/* As GDB gets over it. */
	put_breakpoint('z');
	send_packet("s");
	expect("the step over the breakpoint", "T05");
	put_breakpoint('Z');
	send_packet("c");
	expect("the breakpoint again", "T05");
	expect_rip("at the breakpoint again", STORE);
	if (reg(RCX) != before + 1)
		errx(1, "not the next round");
	put_breakpoint('z');
	send_packet("Z2,%x,2", COUNT);
	expect("a watchpoint set", "OK");
	send_packet("c");
	expect("a watchpoint", "T05");
	watch = strstr(answer, "watch:");
	if (!watch || strtoul(watch + strlen("watch:"), NULL, 16) != COUNT)
		errx(1, "not the watchpoint: %s", answer);
	if (count() != before + 1)
		errx(1, "not the next store");
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(64, "usage: rsp PORT step|break");
	dial(argv[1]);
	/* Registers are written one by one by those only who have read their description. */
	send_packet("qXfer:features:read:target.xml:0,ffb");
	receive();
	send_packet("?");
	expect("the first stop", "T");
	if (!strcmp(argv[2], "step"))
		test_steps();
	else
		test_breakpoints();
	/* Kill it. */
	send_packet("k");
	return 0;
}
