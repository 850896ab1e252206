// SPDX-License-Identifier: GPL-2.0
/* Disks that qemu-nbd serves, with Debian's; images are made by its qemu-img. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <linux/virtio_blk.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../control/client.h"
#include "../devices/blk_server.h"
#include "../devices/virtio_blk.h"
#include "../files.h"
#include "../sandbox/helper.h"
#include "driver.h"
#include "tap.h"

#define SECTORS 16384
#define HEAD    (DRV_DATA + 0x0000)
#define STATUS  (DRV_DATA + 0x1000)
#define DATA    (DRV_DATA + 0x10000)
#define SIZE    (2u << 20)

static char folder[] = "/tmp/vmctl-nbd-XXXXXX";
static struct virtio *v;
static struct error err;

static const char *in_folder(const char *name)
{
	static char path[4][64];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	CHECK_EQ(system(line), 0);
}

static void make(const char *what)
{
	shell("cd %s && qemu-img create -q -f qcow2 %s", folder, what);
}

static void make_images(void)
{
	CHECK(mkdtemp(folder));
	make("disk 8M");
	make("base 8M");
	make("-b base -F qcow2 over");
}

static struct virtio *create(const char *path, bool readonly)
{
	const struct blk_image image = { path, BLK_QCOW2, readonly };

	return virtio_blk_create("disk0", &image, &drv.mem, &err);
}

static bool begin(const char *name, bool readonly, uint64_t features)
{
	drv_begin();
	v = create(in_folder(name), readonly);
	if (!v)
		printf("# %s\n", err.text);
	if (!drv_attach(v))
		return false;
	drv_drive(features);
	return true;
}

/* One request: its status. Data are cut into pieces of @cut bytes, 0: into one. */
static int request(uint32_t type, uint64_t sector, uint32_t len, uint32_t cut)
{
	struct virtio_blk_outhdr *head = drv_at(HEAD, sizeof(*head));
	uint16_t flags = DRV_NEXT | (type == VIRTIO_BLK_T_IN ? DRV_WRITE : 0);
	uint8_t *status = drv_at(STATUS, 1);
	uint32_t off, part;
	unsigned int n = 0;

	*head = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*status = 99;
	drv_desc(0, n++, HEAD, sizeof(*head), DRV_NEXT);
	for (off = 0; off < len; off += part) {
		part = cut && cut < len - off ? cut : len - off;
		drv_desc(0, n++, DATA + off, part, flags);
	}
	drv_desc(0, n, STATUS, 1, DRV_WRITE);
	drv_offer(0, 0);
	drv_await(0);
	return *status;
}

static int clear(uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes seg = { sector, count, flags };

	memcpy(drv_at(DATA, sizeof(seg)), &seg, sizeof(seg));
	return request(type, 0, sizeof(seg), 0);
}

/* What the disk holds: the byte that all of it is, -1 if they differ. */
static int filled(uint64_t sector, uint32_t len)
{
	uint8_t *data = drv_at(DATA, len);
	uint32_t i;

	memset(data, 0xee, len);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, sector, len, 0), VIRTIO_BLK_S_OK);
	for (i = 1; i < len; i++) {
		if (data[i] != data[0])
			return -1;
	}
	return data[0];
}

static int fill(uint64_t sector, uint32_t len, uint8_t with)
{
	memset(drv_at(DATA, len), with, len);
	return request(VIRTIO_BLK_T_OUT, sector, len, 0);
}

static void reads_and_writes(void)
{
	uint8_t *data;
	uint32_t i;

	if (!begin("disk", false, 1u << VIRTIO_BLK_F_FLUSH))
		return;
	CHECK_EQ(drv_get(DRV_DEVICE, 4), SECTORS);
	data = drv_at(DATA, SIZE);
	for (i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	/* In one piece, and in pieces that are no sectors. */
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 7, SIZE, 0), VIRTIO_BLK_S_OK);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, 5000, 5 * 512, 1000), VIRTIO_BLK_S_OK);
	CHECK_EQ(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	memset(data, 0, SIZE);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 7, SIZE, 400000), VIRTIO_BLK_S_OK);
	for (i = 0; i < SIZE && data[i] == (uint8_t)(i * 2654435761u >> 24); i++)
		;
	CHECK_EQ(i, SIZE);
	CHECK_EQ(((struct vring_used *)drv_at(DRV_USED(0), 64))->ring[3].len, SIZE + 1);
	memset(data, 0, 5 * 512);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 5000, 5 * 512, 999), VIRTIO_BLK_S_OK);
	for (i = 0; i < 5 * 512 && data[i] == (uint8_t)(i * 2654435761u >> 24); i++)
		;
	CHECK_EQ(i, 5 * 512);
	/* Beyond its end. */
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, 0), VIRTIO_BLK_S_IOERR);
	drv_end();
	/* It is all there when the device has gone. */
	shell("cd %s && qemu-img check -q disk", folder);
	shell("cd %s && qemu-img convert -f qcow2 -O raw disk raw", folder);
	if (!begin("disk", false, 0))
		return;
	CHECK_EQ(fill(0, 512, 0x11), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(0, 512), 0x11);
	drv_end();
}

static void discards_and_zeroes(void)
{
	unsigned int durable;

	for (durable = 0; durable < 2; durable++) {
		if (!begin("disk", false, durable ? 0 : 1u << VIRTIO_BLK_F_FLUSH))
			return;
		CHECK_EQ(fill(0, 512 * 512, 0x77), VIRTIO_BLK_S_OK);
		CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
		CHECK_EQ(clear(VIRTIO_BLK_T_WRITE_ZEROES, 128, 128, 1), VIRTIO_BLK_S_OK);
		CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, 256, 128, 0), VIRTIO_BLK_S_OK);
		CHECK_EQ(clear(VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
		CHECK_EQ(filled(0, 8 * 512), 0);
		CHECK_EQ(filled(8, 120 * 512), 0x77);
		CHECK_EQ(filled(128, 256 * 512), 0);
		CHECK_EQ(filled(384, 128 * 512), 0x77);
		drv_end();
	}
}

/* What lies below is read, and never written. */
static void overlay(void)
{
	if (!begin("base", false, 0))
		return;
	CHECK_EQ(fill(0, 4096, 0x22), VIRTIO_BLK_S_OK);
	drv_end();
	shell("cd %s && cp base copy", folder);
	if (!begin("over", false, 0))
		return;
	CHECK_EQ(filled(0, 4096), 0x22);
	CHECK_EQ(fill(4, 512, 0x33), VIRTIO_BLK_S_OK);
	CHECK_EQ(filled(4, 512), 0x33);
	CHECK_EQ(filled(5, 512), 0x22);
	drv_end();
	shell("cd %s && cmp base copy", folder);
}

/* More requests than the server works at. */
static void many(void)
{
	uint8_t *status;
	unsigned int i;

	if (!begin("disk", false, 1u << VIRTIO_BLK_F_FLUSH))
		return;
	status = drv_at(STATUS, DRV_SIZE);
	memset(drv_at(DATA, 12 * 65536), 0x44, 12 * 65536);
	for (i = 0; i < 5; i++) {
		struct virtio_blk_outhdr *head = drv_at(HEAD + i * 16, 16);

		*head = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = i * 4096u };
		status[i] = 99;
		drv_desc(0, 3 * i, HEAD + i * 16, 16, DRV_NEXT);
		drv_desc(0, 3 * i + 1, DATA, SIZE / 2, DRV_NEXT);
		drv_desc(0, 3 * i + 2, STATUS + i, 1, DRV_WRITE);
		drv_offer(0, (uint16_t)(3 * i));
	}
	drv_await_used(0, 5);
	/* The last one is beyond the end. */
	for (i = 0; i < 5; i++)
		CHECK_EQ(status[i], i < 4 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
	drv_end();
}

static void read_only(void)
{
	struct virtio *more;

	if (!begin("over", true, 0))
		return;
	CHECK_EQ(filled(4, 512), 0x33);
	CHECK_EQ(fill(4, 512, 1), VIRTIO_BLK_S_IOERR);
	/* Readers may be several; a writer would be one too many. */
	more = create(in_folder("over"), true);
	CHECK(more);
	if (more)
		more->ops->destroy(more);
	CHECK(!create(in_folder("over"), false));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK_HAS(err.text, "another process uses it: end that one");
	CHECK(!create(in_folder("base"), false));
	CHECK_EQ(err.status, EX_TEMPFAIL);
	drv_end();
}

static void refuse(const char *name, int status, const char *text)
{
	CHECK(!create(name[0] == '/' ? name : in_folder(name), false));
	CHECK_EQ(err.status, status);
	CHECK_HAS(err.text, text);
}

/* A name of a format is one of the header's extensions: make it one that nobody knows. */
static void forget_format(const char *name)
{
	static const uint8_t magic[] = { 0xe2, 0x79, 0x2a, 0xca };
	int fd = open(in_folder(name), O_RDWR);
	uint8_t head[4096], *at;

	CHECK_EQ(pread(fd, head, sizeof(head), 0), sizeof(head));
	at = memmem(head, sizeof(head), magic, sizeof(magic));
	CHECK(at);
	if (at)
		CHECK_EQ(pwrite(fd, "\x12\x34\x56\x78", 4, at - head), 4);
	close(fd);
}

static void images_refused(void)
{
	make("-u -b b -F qcow2 a 8M");
	make("-u -b a -F qcow2 b 8M");
	make("-u -b none -F qcow2 lost 8M");
	make("-b base -F qcow2 bare");
	make("empty 0");
	shell("cd %s && head -c 65536 a >cut", folder);
	forget_format("bare");
	refuse("none", EX_NOINPUT, "none: No such file or directory; \"qemu-img create");
	refuse("lost", EX_NOINPUT, "none': No such file or directory");
	refuse("a", EX_DATAERR, "creates an infinite loop");
	refuse("bare", EX_DATAERR, "the format of its backing file base is not said");
	refuse("raw", EX_DATAERR, "raw: Image is not in qcow2 format");
	refuse("cut", EX_DATAERR, "cut: ");
	refuse("empty", EX_DATAERR, "the disk in it is empty");
	refuse(folder, EX_NOINPUT, "Is a directory");
	/* Words that would be options. */
	refuse("none,file.driver=null-co", EX_NOINPUT, "No such file");
}

/* Other names of files than those that are harmless. */
static void names(void)
{
	shell("cd %s && cp disk a,driver=raw && cp disk json:x && cp disk ./-v", folder);
	if (begin("a,driver=raw", false, 0))
		drv_end();
	if (begin("json:x", false, 0))
		drv_end();
	CHECK_EQ(chdir(folder), 0);
	drv_begin();
	v = create("-v", false);
	if (drv_attach(v))
		drv_end();
	v = NULL;
}

/* Processes of ours that are qemu-nbd: how many; they get @signal, unless it is 0. */
static unsigned int servers(int signal)
{
	DIR *proc = opendir("/proc");
	unsigned int count = 0;
	struct dirent *d;
	char line[64], name[32], state;
	int pid, parent;
	FILE *f;

	while (proc && (d = readdir(proc))) {
		snprintf(line, sizeof(line), "/proc/%.16s/stat", d->d_name);
		f = atoi(d->d_name) ? fopen(line, "re") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%d (%31[^)]) %c %d", &pid, name, &state, &parent) == 4 &&
		    parent == getpid() && !strcmp(name, "qemu-nbd") && state != 'Z') {
			count++;
			if (signal)
				kill(pid, signal);
		}
		fclose(f);
	}
	closedir(proc);
	return count;
}

/* Whoever ends one waits for its files to be let go; what then is left of it goes by itself. */
static void no_servers(void)
{
	drv_until(!servers(0));
}

static void server_dies(void)
{
	no_servers();
	if (!begin("disk", false, 1u << VIRTIO_BLK_F_FLUSH))
		return;
	CHECK_EQ(servers(SIGKILL), 1);
	CHECK_EQ(fill(0, SIZE, 1), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, 0, 512, 0), VIRTIO_BLK_S_IOERR);
	CHECK(!drv_broken());
	drv_end();
	no_servers();
}

/* Requests that a server has not answered hold up a reset, and end with it. */
static void server_hangs(void)
{
	struct virtio_blk_outhdr *head;

	if (!begin("disk", false, 1u << VIRTIO_BLK_F_FLUSH))
		return;
	CHECK_EQ(servers(SIGSTOP), 1);
	head = drv_at(HEAD, sizeof(*head));
	*head = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN };
	drv_desc(0, 0, HEAD, sizeof(*head), DRV_NEXT);
	drv_desc(0, 1, DATA, SIZE, DRV_NEXT | DRV_WRITE);
	drv_desc(0, 2, STATUS, 1, DRV_WRITE);
	drv_offer(0, 0);
	usleep(20000);
	CHECK_EQ(drv_used(0), 0);
	CHECK_EQ(servers(SIGCONT), 1);
	drv_await(0);
	CHECK_EQ(*(uint8_t *)drv_at(STATUS, 1), VIRTIO_BLK_S_OK);
	drv_end();
	no_servers();
}

/* As vmctl set has it: @bytes: larger meanwhile; 0: whoever it is opens nothing. */
static pid_t other_side(const int *pair, uint64_t bytes)
{
	const struct blk_image image = { in_folder("disk"), BLK_QCOW2, false };
	pid_t pid = fork(), server;
	char byte;
	int fd;

	if (pid)
		return pid;
	close(pair[0]);
	if (recv(pair[1], &byte, 1, 0) != 1 || !bytes)
		_exit(1);
	if (blk_server_resize(&image, bytes, &err))
		_exit(2);
	fd = virtio_blk_open("disk", &image, &server, &err);
	_exit(fd < 0 || control_pass(pair[1], fd) ? 3 : 0);
}

static int grow(uint64_t bytes, bool opened)
{
	int pair[2], ret, status;
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	pid = other_side(pair, opened ? bytes : 0);
	close(pair[1]);
	ret = virtio_blk_grow(v, bytes, pair[0], &err);
	close(pair[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return ret ? -1 : status;
}

static void grows(void)
{
	const uint64_t size = SECTORS * 512ull;

	if (!begin("disk", false, 1u << VIRTIO_BLK_F_FLUSH))
		return;
	CHECK_EQ(fill(7, 512, 0x77), VIRTIO_BLK_S_OK);
	CHECK_EQ(virtio_blk_grow(v, 2 * size, -1, &err), -1);
	CHECK_HAS(err.text, "vmctl set --disk N=SIZE,FILE");
	CHECK_EQ(grow(size - 512, true), -1);
	CHECK_HAS(err.text, "it can only grow");
	CHECK_EQ(grow(2 * size + 1, true), -1);
	CHECK_HAS(err.text, "it can only grow");
	CHECK_EQ(filled(7, 512), 0x77);
	CHECK_EQ(request(VIRTIO_BLK_T_IN, SECTORS, 512, 0), VIRTIO_BLK_S_IOERR);
	CHECK_EQ(grow(2 * size, true), 0);
	CHECK_EQ(virtio_blk_resize(v, &err), 0);
	CHECK_EQ(drv_get(DRV_DEVICE, 4), 2 * SECTORS);
	CHECK_EQ(filled(7, 512), 0x77);
	CHECK_EQ(fill(2 * SECTORS - 1, 512, 0x78), VIRTIO_BLK_S_OK);
	/* Who goes away without having opened it leaves a disk that fails, until somebody does. */
	CHECK_EQ(grow(2 * size, false), -1);
	CHECK_HAS(err.text, "nobody has opened it again");
	CHECK_EQ(fill(7, 512, 0x79), VIRTIO_BLK_S_IOERR);
	CHECK(!drv_broken());
	CHECK_EQ(grow(2 * size, true), 0);
	CHECK_EQ(filled(7, 512), 0x77);
	CHECK_EQ(filled(2 * SECTORS - 1, 512), 0x78);
	drv_end();
	no_servers();
}

/* A connection that somebody else has made, and that a next machine has, too. */
static void passed_and_kept(void)
{
	const struct blk_image image = { in_folder("disk"), BLK_QCOW2, false };
	pid_t server = 0;
	int fd;

	fd = virtio_blk_open("disk0", &image, &server, &err);
	CHECK(fd >= 0);
	CHECK(server > 0);
	CHECK_EQ(servers(0), 1);
	files_seal();
	files_offer(&fd, 1);
	if (!begin("disk", false, 0))
		return;
	CHECK_EQ(fill(0, 512, 0x55), VIRTIO_BLK_S_OK);
	drv_end();
	CHECK_EQ(servers(0), 1);
	if (!begin("disk", false, 0))
		return;
	CHECK_EQ(filled(0, 512), 0x55);
	drv_end();
	blk_nbd_forget("disk1");
	CHECK_EQ(servers(0), 1);
	files_forget("disk0");
	blk_nbd_forget("disk0");
	no_servers();
	/* Now there is nobody who could start one. */
	drv_begin();
	refuse("disk", EX_NOPERM, "Permission denied");
}

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static bool opens(const char *name, int flags)
{
	int fd = open(in_folder(name), flags);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* What a server may, tried by a process like it. */
static int try_all(void)
{
	long landlock = landlock_version();
	char here[64] = "", before[64] = "";
	uint64_t caps = ~0ull;
	char line[128];
	FILE *f;

	(void)!readlink("/proc/self/ns/net", before, sizeof(before) - 1);
	if (sandbox_helper(in_folder("disk"), true))
		return 1;
	if (!opens("disk", O_RDWR) || !opens("base", O_RDONLY))
		return 2;
	if (landlock > 0 && (opens("base", O_WRONLY) || opens("new", O_WRONLY | O_CREAT)))
		return 3;
	if (landlock > 2 && (!truncate(in_folder("base"), 0) || errno != EACCES))
		return 7;
	if (truncate(in_folder("disk"), 1 << 26))
		return 8;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapPrm: %" SCNx64, &caps) == 1)
			break;
	}
	/* CAP_DAC_OVERRIDE, bit 1, is root's only. */
	if (caps != (geteuid() ? 0 : 2))
		return 5;
	(void)!readlink("/proc/self/ns/net", here, sizeof(here) - 1);
	/* Who may make one has one. */
	return !geteuid() && !strcmp(here, before) ? 6 : 0;
}

static void limits(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(try_all());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void remove_images(void)
{
	shell("rm -r %s", folder);
}

TAP_MAIN(TEST(make_images), TEST(reads_and_writes), TEST(discards_and_zeroes), TEST(overlay),
	 TEST(many), TEST(read_only), TEST(images_refused), TEST(names), TEST(server_dies),
	 TEST(server_hangs), TEST(grows), TEST(limits), TEST(passed_and_kept), TEST(remove_images));
