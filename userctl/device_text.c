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

int disk_parse(struct disk_config *disk, char *text, struct error *err)
{
	bool readonly = cut_readonly(text);

	if (!*text)
		return fault(err, EX_USAGE, "disk: the file's name is empty");
	*disk = (struct disk_config){ .path = text, .readonly = readonly };
	return 0;
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

static int parse_net_word(struct net_config *net, char *word, struct error *err)
{
	if (!strncmp(word, "forward=", 8))
		return parse_forward(net, word + 8, err);
	if (!strncmp(word, "mac=", 4))
		return parse_mac(net, word + 4, err);
	return fault(err, EX_USAGE, "net: \"%s\" is neither forward= nor mac=", word);
}

int net_parse(struct net_config *net, char *text, struct error *err)
{
	char *save, *word = strtok_r(text, ",", &save);

	*net = (struct net_config){ .given = true };
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
