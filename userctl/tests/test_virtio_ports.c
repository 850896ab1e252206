// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../devices/virtio_ports.h"
#include "driver.h"
#include "tap.h"

#define IN(q)  (0x1000ULL * (32 + (q)))
#define CTL_RX 2
#define CTL_TX 3
#define RX1    4
#define TX1    5

static struct error err;
static char folder[] = "/tmp/vmctl-port-XXXXXX";
static char path[64];

static struct virtio *make(void)
{
	const struct virtio_port_config port = { "agent", path };

	return virtio_ports_create("ports", &port, 1, &drv.mem, &err);
}

static bool begin(uint64_t features)
{
	drv_begin();
	if (!drv_attach(make()))
		return false;
	drv_drive(features);
	return true;
}

static void control(unsigned int id, uint16_t event, uint16_t value)
{
	struct virtio_console_control *msg = drv_at(IN(9), sizeof(*msg));

	*msg = (struct virtio_console_control){ .id = id, .event = event, .value = value };
	drv_request(CTL_TX, IN(9), sizeof(*msg), 0, 0);
}

static uint16_t heard;

/* The device's next word must be this one. */
static void expect(unsigned int id, uint16_t event, uint16_t value, const char *text)
{
	uint64_t gpa = IN(10) + heard % DRV_SIZE * 64;
	struct virtio_console_control *msg = drv_at(gpa, 64);

	drv_desc(CTL_RX, heard % DRV_SIZE, gpa, 64, DRV_WRITE);
	drv_offer(CTL_RX, heard % DRV_SIZE);
	heard++;
	CHECK_EQ(drv_await_used(CTL_RX, heard), sizeof(*msg) + strlen(text));
	CHECK_EQ(msg->id, id);
	CHECK_EQ(msg->event, event);
	CHECK_EQ(msg->value, value);
	CHECK(!memcmp(msg + 1, text, strlen(text)));
}

static int join(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void ports(void)
{
	char buf[16] = "";
	int fd, flags;

	heard = 0;
	if (!begin(1u << VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	CHECK_EQ(drv_get(DRV_DEVICE + 4, 4), PORTS_MAX + 1);
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	expect(1, VIRTIO_CONSOLE_PORT_ADD, 1, "");
	control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	expect(1, VIRTIO_CONSOLE_PORT_NAME, 1, "agent");
	expect(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	fd = join();
	expect(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	/* Input waits until the guest has opened the port and has room. */
	CHECK_EQ(write(fd, "ping", 4), 4);
	drv_desc(RX1, 0, IN(0), 64, DRV_WRITE);
	drv_offer(RX1, 0);
	usleep(2000);
	CHECK_EQ(drv_used(RX1), 0);
	control(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	CHECK_EQ(drv_await(RX1), 4);
	CHECK(!memcmp(drv_at(IN(0), 4), "ping", 4));
	memcpy(drv_at(IN(1), 4), "pong", 4);
	drv_request(TX1, IN(1), 4, 0, 0);
	CHECK_EQ(read(fd, buf, sizeof(buf)), 4);
	CHECK(!memcmp(buf, "pong", 4));
	/* More than the socket takes waits for its reader, and the device goes on. */
	drv_desc(TX1, 0, 0x100000, 0x200000, 0);
	drv_offer(TX1, 0);
	control(1, 99, 1);
	CHECK_EQ(drv_used(TX1), 1);
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (drv_used(TX1) == 1) {
		if (read(fd, drv_at(0x300000, 0x80000), 0x80000) <= 0)
			usleep(100);
	}
	/* It leaves; another one comes. */
	drv_desc(RX1, 1, IN(0), 64, DRV_WRITE);
	drv_offer(RX1, 1);
	close(fd);
	expect(1, VIRTIO_CONSOLE_PORT_OPEN, 0, "");
	drv_request(TX1, IN(1), 4, 0, 0);
	fd = join();
	expect(1, VIRTIO_CONSOLE_PORT_OPEN, 1, "");
	/* What makes no sense is ignored. */
	control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	control(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	control(77, VIRTIO_CONSOLE_PORT_READY, 1);
	control(UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1);
	control(1, 99, 1);
	drv_request(CTL_TX, IN(9), 3, 0, 0);
	CHECK(!drv_broken());
	close(fd);
	drv_end();
	CHECK(access(path, F_OK));
}

static void sockets_refused(void)
{
	struct virtio_port_config port = { "agent", "/proc/none/here" };
	char longest[200];

	if (!begin(0))
		return;
	CHECK(!make());
	CHECK_EQ(err.status, EX_TEMPFAIL);
	CHECK_HAS(err.text, path);
	CHECK(!access(path, F_OK));
	CHECK(!virtio_ports_create("more", &port, 1, &drv.mem, &err));
	CHECK_EQ(err.status, EX_CANTCREAT);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	port.path = longest;
	CHECK(!virtio_ports_create("more", &port, 1, &drv.mem, &err));
	CHECK_EQ(err.status, EX_USAGE);
	drv_end();
}

static void make_folder(void)
{
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/agent", folder);
}

static void remove_folder(void)
{
	CHECK_EQ(rmdir(folder), 0);
}

TAP_MAIN(TEST(make_folder), TEST(ports), TEST(sockets_refused), TEST(remove_folder));
