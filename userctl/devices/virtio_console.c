// SPDX-License-Identifier: GPL-2.0
#include "virtio_console.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLASS_OTHER  0x078000
#define FEATURE(bit) (1ULL << (bit))
#define CONTROL_RX   2
#define CONTROL_TX   3

/* The queues of a port: the control queues stand behind those of the first one (5.3.2). */
#define RX(port) ((port) ? 2 + 2 * (port) : 0)
#define TX(port) (1 + RX(port))

/* What the guest is to be told of a port, in this order. */
enum { TELL_ADD = 1, TELL_CONSOLE = 2, TELL_NAME = 4, TELL_OPEN = 8 };

/**
 * struct port - a port
 * @name: what the guest calls it
 * @path: its socket, NULL for the console
 * @listener: waits for somebody to connect, -1 for the console
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
 * struct virtio_console - a console and ports
 * @v: the device; its lock guards the rest
 * @config: what the guest reads
 * @wire: where the console leads
 * @starved: input waits; outside of the lock
 * @port: the console and ports
 * @ports: how many
 */
struct virtio_console {
	struct virtio v;
	struct virtio_console_config config;
	struct virtio_console_wire wire;
	atomic_bool starved;
	struct port port[CONSOLE_PORTS_MAX];
	unsigned int ports;
};

/* ---- control ---- */

static bool multiport(const struct virtio_console *con)
{
	return con->v.accepted & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
}

static bool send_control(struct virtio_console *con, unsigned int id, uint16_t event,
			 uint16_t value, const char *text)
{
	struct virtio_console_control msg = { .id = id, .event = event, .value = value };
	struct virtqueue_chain chain;
	struct iovec *iov;
	size_t len;

	if (!virtio_pop(&con->v, CONTROL_RX, &chain))
		return false;
	iov = &chain.iov[chain.readable];
	len = iov_put(iov, chain.writable, &msg, sizeof(msg));
	len += iov_put(iov, chain.writable, text, strlen(text));
	virtio_done(&con->v, CONTROL_RX, chain.head, (uint32_t)len);
	return true;
}

/* Say one thing of a port; false when the guest gives no buffer to say it in. */
static bool tell_one(struct virtio_console *con, unsigned int id)
{
	struct port *port = &con->port[id];
	unsigned int what = port->todo & -port->todo;
	bool told;

	switch (what) {
	case TELL_ADD:
		told = send_control(con, id, VIRTIO_CONSOLE_PORT_ADD, 1, "");
		break;
	case TELL_CONSOLE:
		told = send_control(con, id, VIRTIO_CONSOLE_CONSOLE_PORT, 1, "");
		break;
	case TELL_NAME:
		told = send_control(con, id, VIRTIO_CONSOLE_PORT_NAME, 1, port->name);
		break;
	default:
		told = send_control(con, id, VIRTIO_CONSOLE_PORT_OPEN, !id || port->peer >= 0, "");
		break;
	}
	if (told)
		port->todo &= ~what;
	return told;
}

static void tell(struct virtio_console *con)
{
	unsigned int id;

	for (id = 0; id < con->ports; id++) {
		while (con->port[id].todo && tell_one(con, id))
			;
	}
}

static void hear(struct virtio_console *con, const struct virtio_console_control *msg)
{
	struct port *port = msg->id < con->ports ? &con->port[msg->id] : NULL;
	unsigned int id;

	switch (msg->event) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		for (id = 0; msg->value == 1 && id < con->ports; id++)
			con->port[id].todo |= TELL_ADD;
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (port && msg->value == 1)
			port->todo |= port == con->port ? TELL_CONSOLE | TELL_OPEN
							: TELL_NAME | TELL_OPEN;
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		if (port)
			port->open = msg->value;
		break;
	}
}

static void serve_control(struct virtio_console *con)
{
	struct virtio_console_control msg;
	struct virtqueue_chain chain;

	if (!multiport(con))
		return;
	while (virtio_pop(&con->v, CONTROL_TX, &chain)) {
		if (iov_take(chain.iov, chain.readable, &msg, sizeof(msg)) == sizeof(msg))
			hear(con, &msg);
		virtio_done(&con->v, CONTROL_TX, chain.head, 0);
	}
	tell(con);
}

/* ---- the console ---- */

static void console_output(struct virtio_console *con)
{
	struct virtqueue_chain chain;
	const uint8_t *p;
	unsigned int i;
	size_t n;

	while (virtio_pop(&con->v, TX(0), &chain)) {
		for (i = 0; i < chain.readable; i++) {
			p = chain.iov[i].iov_base;
			for (n = 0; n < chain.iov[i].iov_len && !atomic_load(&con->v.ending); n++)
				con->wire.tx(con->wire.opaque, p[n]);
		}
		virtio_done(&con->v, TX(0), chain.head, 0);
	}
}

/* Linux drops what comes before it has made a console of the port; it says then that it is open. */
static bool console_ready(struct virtio_console *con)
{
	return (con->port[0].open || !multiport(con)) && virtio_waiting(&con->v, RX(0));
}

size_t virtio_console_receive(struct virtio *v, const uint8_t *data, size_t len)
{
	struct virtio_console *con = (struct virtio_console *)v;
	struct virtqueue_chain chain;
	size_t n, done = 0;

	/* The device may wait for the terminal, whose keys must be read nevertheless. */
	if (pthread_mutex_trylock(&v->lock)) {
		atomic_store(&con->starved, true);
		virtio_wake(v);
		return 0;
	}
	while (done < len && console_ready(con) && virtio_pop(v, RX(0), &chain)) {
		n = iov_put(chain.iov + chain.readable, chain.writable, data + done, len - done);
		virtio_done(v, RX(0), chain.head, (uint32_t)n);
		done += n;
	}
	if (done < len)
		atomic_store(&con->starved, true);
	virtio_tell(v);
	pthread_mutex_unlock(&v->lock);
	return done;
}

/* ---- the other ports ---- */

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
static bool port_hungry(struct virtio_console *con, unsigned int id)
{
	return con->port[id].open && virtio_waiting(&con->v, RX(id));
}

static void port_input(struct virtio_console *con, unsigned int id)
{
	struct port *port = &con->port[id];
	struct virtqueue_chain chain;
	ssize_t n;

	while (port->peer >= 0 && port_hungry(con, id) && virtio_pop(&con->v, RX(id), &chain)) {
		n = readv(port->peer, chain.iov + chain.readable, (int)chain.writable);
		if (n > 0) {
			virtio_done(&con->v, RX(id), chain.head, (uint32_t)n);
			continue;
		}
		virtqueue_undo(&con->v.vq[RX(id)]);
		if (!n && chain.writable)
			disconnect(port);
		else if (!chain.writable)
			virtio_fail(&con->v, "the guest offers no room for input");
		else if (errno != EAGAIN && errno != EINTR)
			disconnect(port);
		return;
	}
}

/* Write what there is: true when it is all done. Without a peer it is lost. */
static bool port_flush(struct virtio_console *con, unsigned int id)
{
	struct port *port = &con->port[id];
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
	virtio_done(&con->v, TX(id), port->tx.head, 0);
	port->has_tx = false;
	return true;
}

static void port_output(struct virtio_console *con, unsigned int id)
{
	struct port *port = &con->port[id];

	if (port->has_tx && !port_flush(con, id))
		return;
	while (virtio_pop(&con->v, TX(id), &port->tx)) {
		port->has_tx = true;
		if (!port_flush(con, id))
			return;
	}
}

static void serve_port(struct virtio_console *con, unsigned int id)
{
	struct port *port = &con->port[id];

	if (port->peer < 0)
		port_accept(port);
	port_input(con, id);
	port_output(con, id);
}

/* ---- the device ---- */

static int console_watch(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;
	struct port *port;
	unsigned int id;
	int events;

	for (id = 1; multiport(con) && virtio_live(v) && id < con->ports; id++) {
		port = &con->port[id];
		events = (port->has_tx ? POLLOUT : 0) | (port_hungry(con, id) ? POLLIN : 0);
		if (port->peer < 0)
			virtio_watch(v, port->listener, POLLIN);
		else if (events)
			virtio_watch(v, port->peer, (short)events);
	}
	return -1;
}

static void console_run(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;
	unsigned int id;

	console_output(con);
	for (id = 1; multiport(con) && id < con->ports; id++)
		serve_port(con, id);
	serve_control(con);
	if (console_ready(con) && atomic_exchange(&con->starved, false))
		con->wire.room(con->wire.opaque);
}

static void console_stop(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;
	struct port *port;

	for (port = con->port; port < con->port + con->ports; port++) {
		port->todo = 0;
		port->open = false;
		port->has_tx = false;
	}
}

static void console_destroy(struct virtio *v)
{
	struct virtio_console *con = (struct virtio_console *)v;
	struct port *port;

	virtio_destroy(v);
	for (port = con->port; port < con->port + con->ports; port++) {
		if (port->peer >= 0)
			close(port->peer);
		if (port->listener < 0)
			continue;
		close(port->listener);
		unlink(port->path);
	}
	free(con);
}

static const struct virtio_ops console_ops = {
	.type = VIRTIO_ID_CONSOLE,
	.class_code = CLASS_OTHER,
	.queues = 2 + 2 * CONSOLE_PORTS_MAX,
	.watch = console_watch,
	.run = console_run,
	.stop = console_stop,
	.destroy = console_destroy,
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

static int add_ports(struct virtio_console *con, const struct virtio_port_config *cfg,
		     unsigned int ports, struct error *err)
{
	struct port *port;
	unsigned int i;

	con->port[0].listener = -1;
	con->port[0].peer = -1;
	con->ports = 1;
	for (i = 0; i < ports; i++) {
		port = &con->port[con->ports];
		port->peer = -1;
		port->path = cfg[i].path;
		snprintf(port->name, sizeof(port->name), "%s", cfg[i].name);
		port->listener = listen_at(&cfg[i], err);
		if (port->listener < 0)
			return -1;
		con->ports++;
	}
	return 0;
}

struct virtio *virtio_console_create(const char *name, const struct virtio_console_wire *wire,
				     const struct virtio_port_config *port, unsigned int ports,
				     const struct guest_mem *mem, struct error *err)
{
	struct virtio_console *con = calloc(1, sizeof(*con));
	int ret = con ? virtio_init(&con->v, &console_ops, name, mem) : -ENOMEM;

	if (ret) {
		free(con);
		fault_errno(err, EX_OSERR, ret, "%s", name);
		return NULL;
	}
	con->wire = *wire;
	con->config.max_nr_ports = CONSOLE_PORTS_MAX;
	con->v.features = FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
	con->v.config = &con->config;
	con->v.config_len = sizeof(con->config);
	if (!add_ports(con, port, ports, err))
		return &con->v;
	console_destroy(&con->v);
	return NULL;
}
