// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt routes: an eventfd sends a message without a system call that says which. The kernel
 * takes the whole table at once, the lines of the interrupt controllers among it.
 */
#include <stdlib.h>

#include "machine.h"

#define PIC_LINES  16
#define LINES      (PCI_GSI_BASE + PCI_LINES)
#define PIC_MASTER 0
#define PIC_SLAVE  1
#define IOAPIC     2

static void add_line(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* As they are wired without a table of ours. */
static void add_lines(struct kvm_irq_routing *table)
{
	uint32_t gsi;

	for (gsi = 0; gsi < LINES; gsi++) {
		add_line(table, gsi, IOAPIC, gsi);
		if (gsi < PIC_LINES)
			add_line(table, gsi, gsi < 8 ? PIC_MASTER : PIC_SLAVE, gsi % 8);
	}
}

static int set_table(struct machine *m)
{
	const struct msi_routes *routes = &m->peripherals.routes;
	struct kvm_irq_routing *table;
	unsigned int i;
	int ret;

	table = calloc(1,
		       sizeof(*table) + (LINES + PIC_LINES + MSI_MAX) * sizeof(table->entries[0]));
	if (!table)
		return -1;
	add_lines(table);
	for (i = 0; i < MSI_MAX; i++) {
		if (!routes->used[i])
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = LINES + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = (uint32_t)routes->addr[i],
				   .address_hi = (uint32_t)(routes->addr[i] >> 32),
				   .data = routes->data[i] },
		};
	}
	ret = vmm_set_routes(&m->vm, table);
	free(table);
	return ret;
}

static int free_number(const struct msi_routes *routes)
{
	int i;

	for (i = 0; i < MSI_MAX; i++) {
		if (!routes->used[i])
			return i;
	}
	return -1;
}

static void drop(struct machine *m, int number, int fd)
{
	(void)vmm_irqfd(&m->vm, LINES + (unsigned int)number, fd, false);
	m->peripherals.routes.used[number] = false;
}

int msi_route(struct machine *m, int number, int fd, uint64_t addr, uint32_t data)
{
	struct msi_routes *routes = &m->peripherals.routes;
	bool is_new = number < 0;

	pthread_mutex_lock(&routes->lock);
	if (is_new)
		number = free_number(routes);
	if (number >= 0) {
		routes->used[number] = true;
		routes->addr[number] = addr;
		routes->data[number] = data;
		if (set_table(m) ||
		    (is_new && vmm_irqfd(&m->vm, LINES + (unsigned int)number, fd, true))) {
			drop(m, number, fd);
			number = -1;
		}
	}
	pthread_mutex_unlock(&routes->lock);
	return number;
}

void msi_unroute(struct machine *m, int number, int fd)
{
	pthread_mutex_lock(&m->peripherals.routes.lock);
	drop(m, number, fd);
	pthread_mutex_unlock(&m->peripherals.routes.lock);
}
