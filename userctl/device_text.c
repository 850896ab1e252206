// SPDX-License-Identifier: GPL-2.0
#include "device_text.h"

#include <stdio.h>
#include <string.h>

#include "machine/peripherals.h"
#include "units.h"

bool cut_readonly(char *arg)
{
	size_t len = strlen(arg);

	if (len <= 3 || strcmp(arg + len - 3, ",ro"))
		return false;
	arg[len - 3] = '\0';
	return true;
}

static int parse_format(struct blk_image *image, const char *word, struct error *err)
{
	image->format = strcmp(word, "qcow2") ? BLK_RAW : BLK_QCOW2;
	if (image->format == BLK_QCOW2 || !strcmp(word, "raw"))
		return 0;
	return fault(err, EX_USAGE, "disk: format must be raw or qcow2, not \"%s\"", word);
}

/* Names of files may have commas: what is cut off at the end is what is known. */
static int cut_format(struct blk_image *image, char *text, struct error *err)
{
	char *comma = strrchr(text, ',');

	if (!comma || strncmp(comma, ",format=", 8))
		return 0;
	*comma = '\0';
	return parse_format(image, comma + 8, err);
}

int disk_parse(struct disk_config *disk, char *text, struct error *err)
{
	struct blk_image *image = &disk->image;

	*disk = (struct disk_config){ .image.path = text };
	/* In either order. */
	image->readonly = cut_readonly(text);
	if (cut_format(image, text, err))
		return -1;
	image->readonly |= cut_readonly(text);
	if (*text)
		return 0;
	return fault(err, EX_USAGE, "disk: the file's name is empty");
}

/* "HOST:GUEST" */
static int parse_forward(struct net_config *net, char *arg, struct error *err)
{
	char *colon = strchr(arg, ':');
	unsigned long host, guest;

	if (net->tap)
		return fault(err, EX_USAGE, "net tap: ports are forwarded by net user only");
	if (net->forwards == NET_FORWARDS)
		return fault(err, EX_USAGE, "net user: at most %d ports can be forwarded",
			     NET_FORWARDS);
	if (colon)
		*colon++ = '\0';
	if (!colon || count_parse(arg, 1, 65535, &host) || count_parse(colon, 1, 65535, &guest))
		return fault(err, EX_USAGE, "net user: forward must be HOSTPORT:GUESTPORT");
	net->forward[net->forwards++] = (struct net_forward){ (uint16_t)host, (uint16_t)guest };
	return 0;
}

/* Six bytes in hexadecimal; the address of one card, not of a group. */
static int parse_mac(struct net_config *net, const char *arg, struct error *err)
{
	unsigned int b[6], i;
	int end = 0;

	if (sscanf(arg, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) < 6 ||
	    arg[end] || (b[0] & 1))
		return fault(err, EX_USAGE,
			     "net: mac must be six bytes such as 02:00:00:00:00:01, not \"%s\"",
			     arg);
	for (i = 0; i < 6; i++)
		net->mac[i] = (uint8_t)b[i];
	net->has_mac = true;
	return 0;
}

static int parse_queues(struct net_config *net, const char *arg, struct error *err)
{
	unsigned long queues;

	if (!net->tap)
		return fault(err, EX_USAGE, "net user: it has one queue: queues= is for net tap");
	if (count_parse(arg, 1, NET_PAIRS_MAX, &queues))
		return fault(err, EX_USAGE, "net tap: queues must be 1 to %d, not \"%s\"",
			     NET_PAIRS_MAX, arg);
	net->queues = (unsigned int)queues;
	return 0;
}

static int parse_vhost(struct net_config *net, const char *arg, struct error *err)
{
	static const char *const modes[] = {
		[NET_VHOST_AUTO] = "auto", [NET_VHOST_ON] = "on", [NET_VHOST_OFF] = "off"
	};
	unsigned int i;

	if (!net->tap)
		return fault(err, EX_USAGE,
			     "net user: no kernel passes its frames: vhost= is for net tap");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(arg, modes[i]))
			continue;
		net->vhost = (enum net_vhost_mode)i;
		return 0;
	}
	return fault(err, EX_USAGE, "net tap: vhost must be auto, on or off, not \"%s\"", arg);
}

static int parse_net_word(struct net_config *net, char *word, struct error *err)
{
	if (!strncmp(word, "forward=", 8))
		return parse_forward(net, word + 8, err);
	if (!strncmp(word, "mac=", 4))
		return parse_mac(net, word + 4, err);
	if (!strncmp(word, "queues=", 7))
		return parse_queues(net, word + 7, err);
	if (!strncmp(word, "vhost=", 6))
		return parse_vhost(net, word + 6, err);
	return fault(err, EX_USAGE,
		     "net: \"%s\" is none of forward=, mac=, queues= and vhost=", word);
}

int net_parse(struct net_config *net, char *text, struct error *err)
{
	char *save, *word = strtok_r(text, ",", &save);

	*net = (struct net_config){ .given = true, .queues = 1 };
	net->tap = word && !strncmp(word, "tap", 3) && (!word[3] || word[3] == '=');
	if (!word || (!net->tap && strcmp(word, "user")))
		return fault(err, EX_USAGE, "net must be user or tap[=NAME], not \"%s\"",
			     word ? word : "");
	if (net->tap && word[3])
		net->ifname = word + 4;
	if (net->ifname && !*net->ifname)
		return fault(err, EX_USAGE, "net tap: the name of the interface is empty");
	while ((word = strtok_r(NULL, ",", &save))) {
		if (parse_net_word(net, word, err))
			return -1;
	}
	return 0;
}
