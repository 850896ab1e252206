// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that qemu-nbd serves: requests go to it by NBD, in pieces, as that knows no lists of
 * memory; a request is done when the last of its pieces is.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../files.h"
#include "blk_backend.h"
#include "blk_libnbd.h"
#include "blk_server.h"
#include "virtqueue.h"

#define PIECE_MAX (8u << 20)
/* What qemu-nbd works at; what is beyond would wait in the socket. */
#define UNDER_WAY 16
#define CLOSE_MS  30000
#define RENEW_MS  60000 /* for an image to be made larger */
#define DISK_NAME 32

struct blk_nbd;

/**
 * struct work - a request
 * @nbd: whose
 * @io: what is asked for
 * @piece: that is to be sent next
 * @offset: in that
 * @sent: bytes so far
 * @left: pieces that the server has
 * @ret: 0 or the first error
 */
struct work {
	struct blk_nbd *nbd;
	const struct blk_io *io;
	unsigned int piece;
	size_t offset;
	uint64_t sent;
	unsigned int left;
	int ret;
};

/* struct fifo - tags of requests */
struct fifo {
	unsigned int tag[VIRTQUEUE_MAX], first, count;
};

/**
 * struct blk_nbd - a disk
 * @b: what all back ends have
 * @f: libnbd
 * @h: its connection
 * @server: the process at the other end; @life is -1 if somebody else has started it
 * @disk: its name
 * @trims: the server knows discards
 * @work: by tag
 * @waiting: requests that are not sent, or not all of them
 * @done: requests that nobody has been told of
 * @under_way: pieces that the server has
 * @next: of those that are kept
 */
struct blk_nbd {
	struct blk_backend b;
	const struct libnbd *f;
	struct nbd_handle *h;
	struct blk_server server;
	char disk[DISK_NAME];
	bool trims;
	struct work work[VIRTQUEUE_MAX];
	struct fifo waiting, done;
	unsigned int under_way;
	struct blk_nbd *next;
};

/* Those of a machine that is built again, which are connected. */
static struct blk_nbd *kept;

/* ---- requests ---- */

static void put(struct fifo *q, unsigned int tag)
{
	q->tag[(q->first + q->count++) % VIRTQUEUE_MAX] = tag;
}

static unsigned int take(struct fifo *q)
{
	unsigned int tag = q->tag[q->first];

	q->first = (q->first + 1) % VIRTQUEUE_MAX;
	q->count--;
	return tag;
}

static bool has_data(const struct blk_io *io)
{
	return io->op == BLK_READ || io->op == BLK_WRITE;
}

/* Or one of them failed: the rest need not be. */
static bool all_sent(const struct work *w)
{
	return w->ret || (has_data(w->io) ? w->sent == w->io->len : w->sent);
}

static void settle(struct work *w)
{
	if (all_sent(w) && !w->left)
		put(&w->nbd->done, w->io->tag);
}

/* Called by libnbd, which cannot be called from here. 1: it may forget the command. */
static int piece_done(void *opaque, int *error)
{
	struct work *w = opaque;

	w->left--;
	w->nbd->under_way--;
	if (*error && !w->ret)
		w->ret = -*error;
	/* One that waits is looked at when its turn comes. */
	if (!w->nbd->waiting.count || w->nbd->waiting.tag[w->nbd->waiting.first] != w->io->tag)
		settle(w);
	return 1;
}

/* Where headers and status were cut off, pieces may be empty. */
static const struct iovec *next_piece(struct work *w)
{
	while (w->offset == w->io->iov[w->piece].iov_len) {
		w->offset = 0;
		w->piece++;
	}
	return &w->io->iov[w->piece];
}

static int64_t send_data(struct blk_nbd *nbd, struct work *w, nbd_completion_callback told)
{
	uint32_t flags = w->io->durable ? LIBNBD_CMD_FLAG_FUA : 0;
	const struct iovec *iov = next_piece(w);
	size_t len = iov->iov_len - w->offset;
	uint64_t at = w->io->offset + w->sent;
	char *data = (char *)iov->iov_base + w->offset;

	if (len > PIECE_MAX)
		len = PIECE_MAX;
	w->sent += len;
	w->offset += len;
	if (w->io->op == BLK_READ)
		return nbd->f->nbd_aio_pread(nbd->h, data, len, at, told, 0);
	return nbd->f->nbd_aio_pwrite(nbd->h, data, len, at, told, flags);
}

static int64_t send_command(struct blk_nbd *nbd, struct work *w, nbd_completion_callback told)
{
	const struct blk_io *io = w->io;
	uint32_t flags = io->durable ? LIBNBD_CMD_FLAG_FUA : 0;

	w->sent = 1;
	switch (io->op) {
	case BLK_FLUSH:
		return nbd->f->nbd_aio_flush(nbd->h, told, 0);
	case BLK_DISCARD:
		return nbd->f->nbd_aio_trim(nbd->h, io->len, io->offset, told, flags);
	default:
		return nbd->f->nbd_aio_zero(nbd->h, io->len, io->offset, told,
					    flags | (io->unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
	}
}

/* A command that is not taken is not told of, either: the server has gone. */
static void send_piece(struct blk_nbd *nbd, struct work *w)
{
	nbd_completion_callback told = { .callback = piece_done, .user_data = w };

	w->left++;
	nbd->under_way++;
	if ((has_data(w->io) ? send_data(nbd, w, told) : send_command(nbd, w, told)) >= 0)
		return;
	w->left--;
	nbd->under_way--;
	w->ret = -EIO;
}

static void send_waiting(struct blk_nbd *nbd)
{
	struct work *w;

	while (nbd->waiting.count && nbd->under_way < UNDER_WAY) {
		w = &nbd->work[nbd->waiting.tag[nbd->waiting.first]];
		if (!all_sent(w))
			send_piece(nbd, w);
		if (!all_sent(w))
			continue;
		take(&nbd->waiting);
		settle(w);
	}
}

static void nbd_submit(struct blk_backend *b, const struct blk_io *io)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;

	nbd->work[io->tag] = (struct work){ .nbd = nbd, .io = io };
	/* A discard is a hint. */
	if (io->op == BLK_DISCARD && !nbd->trims)
		put(&nbd->done, io->tag);
	else
		put(&nbd->waiting, io->tag);
}

static void tell(struct blk_nbd *nbd)
{
	unsigned int tag;

	while (nbd->done.count) {
		tag = take(&nbd->done);
		nbd->b.done(nbd->b.opaque, tag, nbd->work[tag].ret);
	}
}

static int nbd_push(struct blk_backend *b)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;

	send_waiting(nbd);
	tell(nbd);
	return 0;
}

static int nbd_fd(struct blk_backend *b)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;

	return nbd->f->nbd_aio_is_dead(nbd->h) || nbd->f->nbd_aio_is_closed(nbd->h)
		       ? -1
		       : nbd->f->nbd_aio_get_fd(nbd->h);
}

static short nbd_events(struct blk_backend *b)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;
	unsigned int direction = nbd->f->nbd_aio_get_direction(nbd->h);

	return (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		       (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
}

/* What the socket has, in both directions: whether anything happened. */
static bool serve_socket(struct blk_nbd *nbd, int timeout)
{
	struct pollfd p = { .fd = nbd_fd(&nbd->b), .events = nbd_events(&nbd->b) };

	if (p.fd < 0 || poll(&p, 1, timeout) <= 0)
		return false;
	/* One that is hung up tells so when it is read, or written where nothing is expected. */
	if (p.events & p.revents & POLLOUT)
		nbd->f->nbd_aio_notify_write(nbd->h);
	else if ((p.events & POLLIN) && (p.revents & (POLLIN | POLLHUP | POLLERR)))
		nbd->f->nbd_aio_notify_read(nbd->h);
	else
		nbd->f->nbd_aio_notify_write(nbd->h);
	return true;
}

static bool nbd_reap(struct blk_backend *b, bool wait)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;

	/* What has died tells of all that it had. */
	while (wait && !nbd->done.count && nbd_fd(b) >= 0) {
		serve_socket(nbd, -1);
		send_waiting(nbd);
	}
	while (serve_socket(nbd, 0))
		;
	send_waiting(nbd);
	wait = !wait || nbd->done.count;
	tell(nbd);
	return wait;
}

/* ---- the image ---- */

static int nbd_size(struct blk_backend *b, uint64_t *bytes, struct error *err)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;
	int64_t size = nbd->f->nbd_get_size(nbd->h);

	if (size <= 0)
		return fault(err, EX_DATAERR, "disk %s: the disk in it is empty", b->image.path);
	if (size % BLK_SECTOR)
		return fault(err, EX_DATAERR,
			     "disk %s: the size of the disk in it is no multiple of %d bytes",
			     b->image.path, BLK_SECTOR);
	*bytes = (uint64_t)size;
	return 0;
}

/* Without another connection all requests fail from now on. */
static void disconnect(struct blk_nbd *nbd)
{
	nbd->f->nbd_aio_disconnect(nbd->h, 0);
	while (nbd_fd(&nbd->b) >= 0 && serve_socket(nbd, CLOSE_MS))
		;
	blk_server_end(&nbd->server);
}

static void hang_up(struct blk_nbd *nbd)
{
	disconnect(nbd);
	nbd->f->nbd_close(nbd->h);
	free(nbd);
}

static void nbd_destroy(struct blk_backend *b)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;

	if (!files_sealed()) {
		hang_up(nbd);
		return;
	}
	nbd->next = kept;
	kept = nbd;
}

void blk_nbd_forget(const char *disk)
{
	struct blk_nbd **at = &kept, *nbd;

	while ((nbd = *at)) {
		if (disk && strcmp(nbd->disk, disk)) {
			at = &nbd->next;
			continue;
		}
		*at = nbd->next;
		hang_up(nbd);
	}
}

static struct blk_backend *find_kept(const char *disk)
{
	struct blk_nbd **at, *nbd;

	for (at = &kept; (nbd = *at); at = &nbd->next) {
		if (strcmp(nbd->disk, disk))
			continue;
		*at = nbd->next;
		return &nbd->b;
	}
	return NULL;
}

/* What a driver can ask for is what the server can do. */
static int check_server(struct blk_nbd *nbd, struct error *err)
{
	const struct libnbd *f = nbd->f;

	nbd->trims = f->nbd_can_trim(nbd->h) > 0;
	if (nbd->b.image.readonly || (f->nbd_can_flush(nbd->h) > 0 && f->nbd_can_fua(nbd->h) > 0 &&
				      f->nbd_can_zero(nbd->h) > 0))
		return 0;
	return fault(err, EX_UNAVAILABLE, "disk %s: its server cannot flush, or write zeros",
		     nbd->b.image.path);
}

static int greet(struct blk_nbd *nbd, struct error *err)
{
	const struct libnbd *f = nbd->f;

	nbd->h = f->nbd_create();
	if (!nbd->h)
		return fault(err, EX_OSERR, "disk %s: %s", nbd->b.image.path, f->nbd_get_error());
	f->nbd_set_pread_initialize(nbd->h, false);
	/* Pieces are as the guest has cut them; it takes those of any size that nobody asks. */
	f->nbd_set_request_block_size(nbd->h, false);
	if (!f->nbd_connect_socket(nbd->h, nbd->server.socket))
		return check_server(nbd, err);
	return fault(err, EX_OSERR, "disk %s: %s", nbd->b.image.path, f->nbd_get_error());
}

/* From whoever has passed a connection, or from a server that we start. */
static int find_server(struct blk_nbd *nbd, struct error *err)
{
	nbd->server = (struct blk_server){ files_get(nbd->disk, nbd->b.image.path), -1, 0 };
	if (nbd->server.socket >= 0)
		return 0;
	if (files_sealed())
		return fault_errno(err, EX_NOPERM, EACCES, "disk %s", nbd->b.image.path);
	return blk_server_start(&nbd->server, &nbd->b.image, true, err);
}

/* The server that has been made meanwhile by whoever is at the other end of @channel. */
static int take_server(struct blk_nbd *nbd, int channel, struct error *err)
{
	int fd = -1;

	if (send(channel, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
		fd = files_receive(channel, RENEW_MS);
	if (fd < 0)
		return fault(err, 1, "disk %s: nobody has opened it again: all its requests fail",
			     nbd->b.image.path);
	files_offer(&fd, 1);
	return find_server(nbd, err);
}

/* The handle of before is what fails requests if there is no other. */
static int nbd_renew(struct blk_backend *b, int channel, struct error *err)
{
	struct blk_nbd *nbd = (struct blk_nbd *)b;
	struct nbd_handle *before = nbd->h;

	/* Whoever holds a duplicate is connected. */
	files_forget(nbd->disk);
	disconnect(nbd);
	if (take_server(nbd, channel, err))
		return -1;
	if (!greet(nbd, err)) {
		nbd->f->nbd_close(before);
		return 0;
	}
	nbd->f->nbd_close(nbd->h);
	nbd->h = before;
	files_forget(nbd->disk);
	return -1;
}

static const struct blk_ops nbd_ops = {
	.submit = nbd_submit,
	.push = nbd_push,
	.fd = nbd_fd,
	.events = nbd_events,
	.reap = nbd_reap,
	.size = nbd_size,
	.renew = nbd_renew,
	.destroy = nbd_destroy,
};

struct blk_backend *blk_nbd_open(const char *disk, const struct blk_image *image, struct error *err)
{
	struct blk_backend *b = find_kept(disk);
	const struct libnbd *f = b ? NULL : libnbd(err);
	struct blk_nbd *nbd;

	if (b || !f)
		return b;
	nbd = calloc(1, sizeof(*nbd));
	if (!nbd) {
		fault(err, EX_OSERR, "out of memory");
		return NULL;
	}
	nbd->b.ops = &nbd_ops;
	nbd->b.image = *image;
	nbd->f = f;
	snprintf(nbd->disk, sizeof(nbd->disk), "%s", disk);
	if (find_server(nbd, err)) {
		free(nbd);
		return NULL;
	}
	if (!greet(nbd, err))
		return &nbd->b;
	/* The socket is libnbd's, if it has taken it. */
	f->nbd_close(nbd->h);
	if (nbd->server.pid)
		kill(nbd->server.pid, SIGTERM);
	blk_server_end(&nbd->server);
	free(nbd);
	return NULL;
}

int blk_nbd_socket(const struct blk_image *image, pid_t *pid, struct error *err)
{
	struct blk_server server;

	if (blk_server_start(&server, image, false, err))
		return -1;
	close(server.life);
	*pid = server.pid;
	return server.socket;
}
