// SPDX-License-Identifier: GPL-2.0
#include "virtio_ports.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../files.h"
#include "../sandbox/keeper.h"

#define CLASS_OTHER  0x078000
#define FEATURE(bit) (1ULL << (bit))
#define CONTROL_RX   2
#define CONTROL_TX   3

/* The ports are numbered from 1: 0 is that of a console. */
#define PORTS_END (PORTS_MAX + 1)
/* The queues of a port: the control queues stand behind those of port 0 (5.3.2). */
#define RX(port) (2 + 2 * (port))
#define TX(port) (1 + RX(port))

/* What the guest is to be told of a port, in this order. */
enum { TELL_ADD = 1, TELL_NAME = 2, TELL_OPEN = 4 };

/**
 * struct port - a port
 * @name: what the guest calls it
 * @path: its socket
 * @listener: waits for somebody to connect
 * @peer: who did, -1 for nobody
 * @todo: TELL_*
 * @open: the guest has it open
 * @tx: output that @peer has not taken yet
 * @has_tx: there is such
 */
struct port {
	char name[PORT_NAME_MAX + 1];
	const char *path;
	int listener, peer;
	unsigned int todo;
	bool open;
	struct virtqueue_chain tx;
	bool has_tx;
};

/**
 * struct virtio_ports - ports
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @port: by number
 * @end: the number behind the last one
 */
struct virtio_ports {
	struct virtio v;
	struct virtio_console_config config;
	struct port port[PORTS_END];
	unsigned int end;
};

/* ---- control ---- */

static bool multiport(const struct virtio_ports *dev)
{
	return dev->v.accepted & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool send_control(struct virtio_ports *dev, unsigned int id, uint16_t event, uint16_t value,
			 const char *text)
{
	struct virtio_console_control msg = { .id = id, .event = event, .value = value };
	struct virtqueue_chain chain;
	struct iovec *iov;
	size_t len;

	if (!virtio_pop(&dev->v, CONTROL_RX, &chain))
		return false;
	iov = &chain.iov[chain.readable];
	len = iov_put(iov, chain.writable, &msg, sizeof(msg));
	len += iov_put(iov, chain.writable, text, strlen(text));
	virtio_done(&dev->v, CONTROL_RX, chain.head, (uint32_t)len);
	return true;
}

/* Say one thing of a port; false when the guest gives no buffer to say it in. */
static bool tell_one(struct virtio_ports *dev, unsigned int id)
{
	struct port *port = &dev->port[id];
	unsigned int what = port->todo & -port->todo;
	bool told;

	switch (what) {
	case TELL_ADD:
		told = send_control(dev, id, VIRTIO_CONSOLE_PORT_ADD, 1, "");
		break;
	case TELL_NAME:
		told = send_control(dev, id, VIRTIO_CONSOLE_PORT_NAME, 1, port->name);
		break;
	default:
		told = send_control(dev, id, VIRTIO_CONSOLE_PORT_OPEN, port->peer >= 0, "");
		break;
	}
	if (told)
		port->todo &= ~what;
	return told;
}

static void tell(struct virtio_ports *dev)
{
	unsigned int id;

	for (id = 1; id < dev->end; id++) {
		while (dev->port[id].todo && tell_one(dev, id))
			;
	}
}

static void hear(struct virtio_ports *dev, const struct virtio_console_control *msg)
{
	struct port *port = msg->id && msg->id < dev->end ? &dev->port[msg->id] : NULL;
	unsigned int id;

	switch (msg->event) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		for (id = 1; msg->value == 1 && id < dev->end; id++)
			dev->port[id].todo |= TELL_ADD;
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (port && msg->value == 1)
			port->todo |= TELL_NAME | TELL_OPEN;
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (port)
			port->open = msg->value;
		break;
	}
}

static void serve_control(struct virtio_ports *dev)
{
	struct virtio_console_control msg;
	struct virtqueue_chain chain;

	if (!multiport(dev))
		return;
	while (virtio_pop(&dev->v, CONTROL_TX, &chain)) {
		if (iov_take(chain.iov, chain.readable, &msg, sizeof(msg)) == sizeof(msg))
			hear(dev, &msg);
		virtio_done(&dev->v, CONTROL_TX, chain.head, 0);
	}
	tell(dev);
}

/* ---- a port ---- */

static void disconnect(struct port *port)
{
	close(port->peer);
	port->peer = -1;
	port->todo |= TELL_OPEN;
}

static void port_accept(struct port *port)
{
	port->peer = accept4(port->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (port->peer >= 0)
		port->todo |= TELL_OPEN;
}

/* Whether the guest may get input. */
static bool port_hungry(struct virtio_ports *dev, unsigned int id)
{
	return dev->port[id].open && virtio_waiting(&dev->v, RX(id));
}

static void port_input(struct virtio_ports *dev, unsigned int id)
{
	struct port *port = &dev->port[id];
	struct virtqueue_chain chain;
	ssize_t n;

	while (port->peer >= 0 && port_hungry(dev, id) && virtio_pop(&dev->v, RX(id), &chain)) {
		n = readv(port->peer, chain.iov + chain.readable, (int)chain.writable);
		if (n > 0) {
			virtio_done(&dev->v, RX(id), chain.head, (uint32_t)n);
			continue;
		}
		virtqueue_undo(&dev->v.vq[RX(id)]);
		if (!n && chain.writable)
			disconnect(port);
		else if (!chain.writable)
			virtio_fail(&dev->v, "the guest offers no room for input");
		else if (errno != EAGAIN && errno != EINTR)
			disconnect(port);
		return;
	}
}

/* Write what there is: true when it is all done. Without a peer it is lost. */
static bool port_flush(struct virtio_ports *dev, unsigned int id)
{
	struct port *port = &dev->port[id];
	struct msghdr msg = { .msg_iov = port->tx.iov, .msg_iovlen = port->tx.readable };
	uint8_t skip[4096];
	ssize_t n;

	while (port->peer >= 0 && iov_total(port->tx.iov, port->tx.readable)) {
		n = sendmsg(port->peer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR)
			disconnect(port);
		while (n > 0)
			n -= (ssize_t)iov_take(port->tx.iov, port->tx.readable, skip,
					       (size_t)n < sizeof(skip) ? (size_t)n : sizeof(skip));
	}
	virtio_done(&dev->v, TX(id), port->tx.head, 0);
	port->has_tx = false;
	return true;
}

static void port_output(struct virtio_ports *dev, unsigned int id)
{
	struct port *port = &dev->port[id];

	if (port->has_tx && !port_flush(dev, id))
		return;
	while (virtio_pop(&dev->v, TX(id), &port->tx)) {
		port->has_tx = true;
		if (!port_flush(dev, id))
			return;
	}
}

static void serve_port(struct virtio_ports *dev, unsigned int id)
{
	struct port *port = &dev->port[id];

	if (port->peer < 0)
		port_accept(port);
	port_input(dev, id);
	port_output(dev, id);
}

/* ---- the device ---- */

static int ports_watch(struct virtio *v)
{
	struct virtio_ports *dev = (struct virtio_ports *)v;
	struct port *port;
	unsigned int id;
	int events;

	for (id = 1; multiport(dev) && virtio_live(v) && id < dev->end; id++) {
		port = &dev->port[id];
		events = (port->has_tx ? POLLOUT : 0) | (port_hungry(dev, id) ? POLLIN : 0);
		if (port->peer < 0)
			virtio_watch(v, port->listener, POLLIN);
		else if (events)
			virtio_watch(v, port->peer, (short)events);
	}
	return -1;
}

static void ports_run(struct virtio *v)
{
	struct virtio_ports *dev = (struct virtio_ports *)v;
	unsigned int id;

	for (id = 1; multiport(dev) && id < dev->end; id++)
		serve_port(dev, id);
	serve_control(dev);
}

static void ports_stop(struct virtio *v)
{
	struct virtio_ports *dev = (struct virtio_ports *)v;
	struct port *port;

	for (port = dev->port + 1; port < dev->port + dev->end; port++) {
		port->todo = 0;
		port->open = false;
		port->has_tx = false;
	}
}

static void ports_destroy(struct virtio *v)
{
	struct virtio_ports *dev = (struct virtio_ports *)v;
	struct port *port;

	virtio_destroy(v);
	for (port = dev->port + 1; port < dev->port + dev->end; port++) {
		if (port->peer >= 0)
			close(port->peer);
		close(port->listener);
		/* Of a machine that comes up again whoever connects finds the next one. */
		if (!files_kept("port", port->path))
			keeper_unlink(port->path);
	}
	free(dev);
}

static const struct virtio_ops ports_ops = {
	.type = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_OTHER,
	.queues = RX(PORTS_END),
	.watch = ports_watch,
	.run = ports_run,
	.stop = ports_stop,
	.destroy = ports_destroy,
};

static int listen_at(const struct virtio_port_config *cfg, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, errnum;

	if (strlen(cfg->path) >= sizeof(addr.sun_path))
		return fault(err, EX_USAGE, "port %s: the path of a socket has at most %zu bytes",
			     cfg->name, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, cfg->path, strlen(cfg->path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)) && !listen(fd, 1))
		return fd;
	errnum = errno;
	if (fd >= 0)
		close(fd);
	if (errnum == EADDRINUSE)
		return fault(err, EX_TEMPFAIL, "port %s: %s exists: %s", cfg->name, cfg->path,
			     "remove it, if no other process listens there");
	return fault_errno(err, EX_CANTCREAT, errnum, "port %s: %s", cfg->name, cfg->path);
}

static int add_ports(struct virtio_ports *dev, const struct virtio_port_config *cfg,
		     unsigned int ports, struct error *err)
{
	struct port *port;
	unsigned int i;

	dev->end = 1;
	for (i = 0; i < ports; i++) {
		port = &dev->port[dev->end];
		port->peer = -1;
		port->path = cfg[i].path;
		snprintf(port->name, sizeof(port->name), "%s", cfg[i].name);
		port->listener = files_get("port", cfg[i].path);
		if (port->listener < 0)
			port->listener = files_put("port", cfg[i].path, listen_at(&cfg[i], err));
		if (port->listener < 0)
			return -1;
		dev->end++;
	}
	return 0;
}

struct virtio *virtio_ports_create(const char *name, const struct virtio_port_config *port,
				   unsigned int ports, const struct guest_mem *mem,
				   struct error *err)
{
	struct virtio_ports *dev = calloc(1, sizeof(*dev));
	int ret = dev ? virtio_init(&dev->v, &ports_ops, name, mem) : -ENOMEM;

	if (ret) {
		free(dev);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	dev->config.max_nr_ports = PORTS_END;
	dev->v.features = FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
	dev->v.config = &dev->config;
	dev->v.config_len = sizeof(dev->config);
	if (!add_ports(dev, port, ports, err))
		return &dev->v;
	ports_destroy(&dev->v);
	return NULL;
}
