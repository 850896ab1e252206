// SPDX-License-Identifier: GPL-2.0
#include "bus.h"

#include <errno.h>
#include <string.h>

void bus_init(struct bus *bus)
{
	pthread_rwlock_init(&bus->lock, NULL);
	bus->ranges = NULL;
}

void bus_destroy(struct bus *bus)
{
	bus->ranges = NULL;
	pthread_rwlock_destroy(&bus->lock);
}

int bus_add(struct bus *bus, struct bus_range *range)
{
	struct bus_range **link;
	int ret = 0;

	if (!range->len || range->base + (range->len - 1) < range->base)
		return -EINVAL;

	pthread_rwlock_wrlock(&bus->lock);
	for (link = &bus->ranges; *link; link = &(*link)->next) {
		if ((*link)->base + ((*link)->len - 1) >= range->base)
			break;
	}
	if (*link && (*link)->base <= range->base + (range->len - 1)) {
		ret = -EEXIST;
	} else {
		range->next = *link;
		*link = range;
	}
	pthread_rwlock_unlock(&bus->lock);
	return ret;
}

void bus_del(struct bus *bus, struct bus_range *range)
{
	struct bus_range **link;

	pthread_rwlock_wrlock(&bus->lock);
	for (link = &bus->ranges; *link; link = &(*link)->next) {
		if (*link == range) {
			*link = range->next;
			break;
		}
	}
	pthread_rwlock_unlock(&bus->lock);
}

static struct bus_range *bus_find(struct bus *bus, uint64_t addr)
{
	struct bus_range *range;

	for (range = bus->ranges; range && range->base <= addr; range = range->next) {
		if (addr - range->base < range->len)
			return range;
	}
	return NULL;
}

/* The largest naturally sized piece at @off that the handlers and the range's end allow. */
static unsigned int piece_size(const struct bus_range *range, uint64_t off, unsigned int left)
{
	unsigned int size = range->ops->width;

	while (size > left || range->len - off < size)
		size /= 2;
	return size;
}

/*
 * The range at the first byte answers. Bytes beyond its end are nobody's: a 32-bit access to a
 * port such as 0xcf8 must not reach the byte-wide register at 0xcf9.
 */
void bus_read(struct bus *bus, uint64_t addr, void *data, unsigned int size)
{
	struct bus_range *range;
	uint8_t *p = data;
	uint64_t off, val;
	unsigned int n;

	memset(data, 0xff, size);
	pthread_rwlock_rdlock(&bus->lock);
	range = bus_find(bus, addr);
	for (off = range ? addr - range->base : 0; range && size && off < range->len; off += n) {
		n = piece_size(range, off, size);
		val = range->ops->read(range->dev, off, n);
		memcpy(p, &val, n);
		p += n;
		size -= n;
	}
	pthread_rwlock_unlock(&bus->lock);
}

void bus_write(struct bus *bus, uint64_t addr, const void *data, unsigned int size)
{
	struct bus_range *range;
	const uint8_t *p = data;
	uint64_t off, val;
	unsigned int n;

	pthread_rwlock_rdlock(&bus->lock);
	range = bus_find(bus, addr);
	for (off = range ? addr - range->base : 0; range && size && off < range->len; off += n) {
		n = piece_size(range, off, size);
		val = 0;
		memcpy(&val, p, n);
		range->ops->write(range->dev, off, val, n);
		p += n;
		size -= n;
	}
	pthread_rwlock_unlock(&bus->lock);
}
