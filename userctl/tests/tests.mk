# SPDX-License-Identifier: GPL-2.0
# make check: unit tests, once plain and once with sanitizers; TAP on standard output.
TESTS := acpi blk_nbd boot boot_hostile bus console control cpu_hotplug cpuid doctor firmware fwcfg given hotplug net_vhost p9 pc pci rtc sandbox serial units virtio_blk \
	virtio_console virtio_kill virtio_mem virtio_net virtio_ports virtio_small virtqueue
TEST_BINS := $(TESTS:%=$(OUT)/tests/test_%)

$(OUT)/tests/test_%: $(OUT)/tests/test_%.o $(OUT)/tests/tap.o $(OUT)/tests/images.o \
		$(OUT)/tests/driver.o \
		$(OUT)/libvmctl.a
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

tests: $(TEST_BINS) $(OUT)/vmctl guests

# Kernels for the tests that run a VM: built here, so that hosts need no compiler.
GUESTS := $(addprefix $(OUT)/tests/guests/,multiboot.elf multiboot.bin pvh.elf pv.elf \
	numbers.elf bootsector.img pty tool say as-nobody killer)
guests: $(GUESTS)

$(OUT)/tests/guests/%.elf: $(SRC)/tests/guests/guest.S $(SRC)/tests/guests/guest.lds
	@echo "  GUEST   $*.elf"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 $(GUEST_FLAGS) -c -o $@.o $<
	$(Q)$(LD) -m elf_i386 --no-warn-rwx-segments -T $(SRC)/tests/guests/guest.lds -o $@ $@.o

$(addprefix $(OUT)/tests/guests/,pv.elf numbers.elf): $(OUT)/tests/guests/%.elf: \
		$(SRC)/tests/guests/%.c $(SRC)/tests/guests/numbers.h $(SRC)/tests/guests/guest.lds
	@echo "  GUEST   $*.elf"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector \
		-fno-asynchronous-unwind-tables -mgeneral-regs-only $(UAPI) \
		-idirafter /usr/include/$(shell $(CC) -print-multiarch) -c -o $@.o $<
	$(Q)$(LD) -m elf_i386 --no-warn-rwx-segments -T $(SRC)/tests/guests/guest.lds -o $@ $@.o

$(OUT)/tests/guests/pvh.elf: GUEST_FLAGS := -DPVH
$(OUT)/tests/guests/addresses.elf: GUEST_FLAGS := -DADDRESSES
$(OUT)/tests/guests/multiboot.bin: $(OUT)/tests/guests/addresses.elf
	$(Q)objcopy -O binary $< $@

# Two sectors, on a disk of enough cylinders for a BIOS.
$(OUT)/tests/guests/bootsector.img: $(SRC)/tests/guests/bootsector.S
	@echo "  GUEST   bootsector.img"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -c -o $@.o $<
	$(Q)$(LD) -m elf_i386 -Ttext=0x7c00 --oformat binary -o $@ $@.o
	$(Q)chmod -x $@ && truncate -s 4M $@

# Static, as the hosts have no more than they need.
$(addprefix $(OUT)/tests/guests/,pty tool say as-nobody killer): $(OUT)/tests/guests/%: $(SRC)/tests/guests/%.c
	@echo "  LD      $@"
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -static -o $@ $<

check: tests
	$(Q)$(SRC)/tests/run.sh $(OUT)
ifeq ($(SANITIZE),)
	$(Q)$(MAKE) -f $(SRC)/Makefile OUTPUT=$(OUT) SANITIZE=address,undefined STATIC= tests
	$(Q)$(SRC)/tests/run.sh $(OUT)/sanitize
endif

-include $(TEST_BINS:=.d) $(addprefix $(OUT)/tests/,tap.d images.d driver.d)
.PHONY: tests guests
.SECONDARY:
