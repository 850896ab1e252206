// SPDX-License-Identifier: GPL-2.0
#include "disk_size.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/client.h"
#include "devices/blk_server.h"
#include "devices/virtio_blk.h"

#define OPEN_TRIES 30 /* of a second each: the old server may have much to write */

static int open_again(const struct blk_image *image, pid_t *server, struct error *err)
{
	unsigned int tries;
	int file;

	for (tries = 0; tries < OPEN_TRIES; tries++) {
		file = virtio_blk_open("disk", image, server, err);
		if (file >= 0 || err->status != EX_TEMPFAIL)
			return file;
	}
	return -1;
}

/*
 * The VM's process tells when it has closed the image, unless it refuses. The image is opened again
 * also if it could not be made larger.
 */
static int change(const struct blk_image *image, uint64_t bytes, int channel, pid_t *server,
		  struct error *err)
{
	struct error second;
	char byte;
	int ret, file;

	if (recv(channel, &byte, 1, 0) != 1)
		return 0;
	ret = blk_server_resize(image, bytes, err);
	file = open_again(image, server, ret ? &second : err);
	if (file < 0)
		return -1;
	if (control_pass(channel, file))
		ret = fault_errno(err, EX_UNAVAILABLE, errno, "the VM does not take disk %s",
				  image->path);
	close(file);
	return ret;
}

static int set_by_server(int fd, const struct blk_image *image, json_t *request, uint64_t bytes,
			 struct error *err)
{
	json_t *answer = NULL;
	struct error refusal;
	pid_t server = 0;
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		json_decref(request);
		return fault_errno(err, EX_OSERR, errno, "a pair of sockets");
	}
	ret = control_send(fd, request, &pair[1], 1, err);
	close(pair[1]);
	if (!ret)
		ret = change(image, bytes, pair[0], &server, err);
	close(pair[0]);
	/* What has failed here is why it is refused there. */
	answer = control_answer(fd, ret ? &refusal : err);
	if (!answer && server)
		kill(server, SIGTERM);
	ret = ret || !answer ? -1 : 0;
	json_decref(answer);
	return ret;
}

int disk_size_set(int fd, unsigned int disk, uint64_t bytes, const char *file, struct error *err)
{
	const struct blk_image image = { file, BLK_QCOW2, false };
	json_t *request, *answer;

	request = json_pack("{s:s, s:i, s:I}", "cmd", "disk", "disk", (int)disk, "bytes",
			    (json_int_t)bytes);
	if (file)
		return set_by_server(fd, &image, request, bytes, err);
	answer = control_request(fd, request, err);
	json_decref(answer);
	return answer ? 0 : -1;
}
