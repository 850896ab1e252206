# SPDX-License-Identifier: GPL-2.0
# vmm: "make help" says what there is.

MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash
HOST ?=
# As many as there are processors; but a host takes up to 3G.
JOBS ?= $(shell awk -v n=$$(nproc) '/^MemAvailable/ { m = int($$2 / 3000000); if (m < 2) m = 2; \
	print m < n ? m : n }' /proc/meminfo)
PREFIX ?= /usr/local
DESTDIR ?=
V ?=
export V

B := $(CURDIR)/build
CHECK := selftests/check $(HOST:%=--host %) $(if $(V),-v) -j $(JOBS)

# The running kernel's build folder, else the newest headers that are installed.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /usr/src/linux-headers-*-amd64 /lib/modules/*/build 2>/dev/null | sort -rV))

comma := ,
# Make targets of the parts that are there.
part = $(if $(wildcard $(1)/Makefile),@+$(MAKE) -C $(1) OUTPUT=$(2) $(3),@:)

.PHONY: all
all: module userspace

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

## make                    vmm.ko (build/native) and vmctl (build/userctl)
.PHONY: module userspace
module:
	@[ -n "$(KDIR)" ] || { echo "No kernel headers found: apt-get install linux-headers-amd64" >&2; exit 1; }
	@scripts/build-module "$(KDIR)" build/native

userspace:
	@mkdir -p $B/userctl
	$(call part,userctl,$B/userctl)

## make module-KERNEL      vmm.ko for stock, slim or debug (build/KERNEL)
.PHONY: module-stock module-slim module-debug
module-stock:
	@scripts/build-module "$$(selftests/hosts/kernels.py stock)" build/stock
module-slim module-debug: module-%:
	@scripts/build-module "$$(selftests/hosts/build-kernel $*)" build/$*

## make modules_install install   into /lib/modules and PREFIX (/usr/local), under DESTDIR
.PHONY: modules_install install
modules_install: module
	$(MAKE) -C "$(KDIR)" M=$B/native/module $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install

install: userspace
	$(call part,userctl,$B/userctl,PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) install)

## make deb                Debian packages vmm-dkms, vmctl and libvmm-dev (build/deb)
.PHONY: deb check-deb
deb:
	@packaging/build-deb

## make check-deb          lintian on them; install, build, upgrade, purge in a throw-away root
check-deb: deb
	@packaging/check-deb

## make clean
.PHONY: clean
clean:
	rm -rf build

## make demo               boot Debian under vmctl on an emulated AMD host (HOST=vmx: Intel; native: here)
.PHONY: demo
demo:
	@HOST=$(or $(HOST),svm) scripts/demo

## make check              all tests: check-quick and everything else below it, but for check-long
## make check-quick        unit and abi tests on the slim kernel
## make check-unit         KUnit on the slim kernel, unit tests in user space
## make check-abi          the ioctl interface on vmm.ko
## make check-faults       allocations and copies of the ioctls made to fail in turn (svm)
## make check-coverage     how many of each room's lines the unit and abi tests run (svm)
## make check-isolation    nobody sees memory and registers of others (part of check-abi)
## make check-virtual-apic  interrupts, where the processor serves the guest's APIC (vmx)
## make check-oracle       the same tests on in-tree KVM; differences must be documented
## make check-kvm-selftests  Linux's own KVM selftests, on in-tree KVM and on vmm.ko
## make check-boot         Debian's stock kernel under vmctl, 1, 2 and 4 vCPUs
## make check-scale      64 vCPUs in a VM, 100 VMs, more memory than the host has
## make check-fuzz-ioctl   sequences of ioctls for two minutes, and netlink messages (svm)
## make check-host-events  memory, processors and clients that change while guests run (svm)
## make check-load         50 times insmod/rmmod, 200 VMs killed; debug kernel (vmx: 20, 100; slim)
## make check-guests       small multiboot and PVH kernels under vmctl
## make check-fleet        many VMs in the background: names, consoles, limits, events, ends
## make check-security     who can do what: groups, other users, what a VM's process still can
## make check-virtio       vmctl's disks, network and other devices under a Linux guest
## make check-qemu         Debian's QEMU on vmm.ko's /dev/kvm, in the svm host
## make check-lifetime     virtualization on and off: other hypervisors, CPU hotplug, suspend, kexec, crash
## make check-random-states  a million random states of vCPUs, each entered (long)
## make check-debian-root  Debian with a root file system by debootstrap, disk, networks (long; makes it as root)
## make check-debug        unit and abi tests, Linux's KVM selftests and boots on the debug kernel
## make check-long         what check leaves out: in-tree KVM, Linux's tests, the debug kernel on vmx; Debian's kernel as host; svm on Bochs; OVMF
## make lint               W=1, sparse, checkpatch, clang-format, shellcheck, headers
.PHONY: check check-quick check-unit check-abi check-faults check-coverage check-isolation check-virtual-apic check-oracle check-kvm-selftests check-boot check-guests check-fleet check-security check-virtio check-qemu check-lifetime check-scale check-host-events check-fuzz-ioctl check-load check-random-states check-debian-root check-debug check-long lint
QUICK := unit-user unit abi
REST := lint faults coverage virtual-apic oracle kvm-selftests boot guests fleet security virtio qemu lifetime scale host-events fuzz-ioctl load random-states debian-root abi-stock unit-debug abi-debug kvm-selftests-debug boot-debug
check:
	@$(CHECK) --short $(QUICK) $(REST)
check-quick:
	@$(CHECK) $(QUICK)
check-unit:
	@$(CHECK) unit-user unit
check-abi check-faults check-coverage check-isolation check-virtual-apic check-oracle check-kvm-selftests check-boot check-guests check-fleet check-security check-virtio check-qemu check-lifetime check-scale check-host-events check-fuzz-ioctl check-load check-random-states check-debian-root: check-%:
	@$(CHECK) $*
check-debug:
	@$(CHECK) unit-debug abi-debug kvm-selftests-debug boot-debug
check-long:
	@$(CHECK) --long $(QUICK) $(REST) qemu-long qemu-backports ynl
lint:
	@$(CHECK) lint

## make fuzz [TARGET=NAME] [SECONDS=N]   each fuzzer in turn, or one, without an end or for N seconds; what is
##                         new, and what breaks, is kept in VMM_CACHE/corpus; "make check" repeats all but that of ioctl.
##                         TARGET=ioctl: in a host (HOST, svm; KERNEL, debug); SEED= and PROGRAM=
##                         repeat a run and a program; MESSAGES=N: netlink only
.PHONY: fuzz
fuzz: build-fuzz build-fuzz-ioctl
	@selftests/fuzz/run $(SECONDS:%=-t %) $(HOST:%=-H %) $(KERNEL:%=-k %) $(SEED:%=-s %) \
		$(PROGRAM:%=-r %) $(MESSAGES:%=-m %) $(TARGET)

## make coverage           how many of each room's lines the suites of COVERAGE run (HOST); LINES=1: which not
.PHONY: coverage
COVERAGE ?= unit abi virtual-apic guests fleet host-events security boot
coverage:
	@rm -rf $B/coverage
	@VMM_COVERAGE=$B/coverage $(CHECK) $(COVERAGE)
	@selftests/hosts/coverage.py $(if $(LINES),-l) $B/coverage

## make bench              host instructions per round trip: in-tree KVM's, ours, ratio
.PHONY: bench
bench:
	@for host in $(or $(HOST),svm vmx); do selftests/hosts/bench $$host || exit 1; done

## Variables: V=1 more output, HOST=svm|vmx (default both), JOBS=suites at a time, KDIR=kernel build folder, VMM_CACHE=folder of test kernels

# What the suites need built.
.PHONY: build-unit build-abi build-fuzz build-fuzz-ioctl build-events build-scale build-bench build-boot build-qemu
build-unit: build-fuzz
	@mkdir -p $B/unit
	$(call part,selftests/unit,$B/unit)
	$(call part,userctl,$B/userctl,all tests)
	$(call part,userctl,$B/userctl,SANITIZE=address$(comma)undefined tests)
build-abi:
	@mkdir -p $B/abi
	$(call part,selftests/abi,$B/abi)
build-fuzz:
	@mkdir -p $B/fuzz
	$(call part,selftests/fuzz,$B/fuzz)
build-fuzz-ioctl:
	@mkdir -p $B/fuzz-ioctl
	$(call part,selftests/fuzz,$B/fuzz-ioctl,ioctl)
build-events:
	@mkdir -p $B/events
	$(call part,selftests/events,$B/events)
build-scale:
	@mkdir -p $B/scale
	$(call part,selftests/scale,$B/scale)
build-bench:
	@mkdir -p $B/bench
	$(call part,selftests/bench,$B/bench)
build-boot: userspace
	@mkdir -p $B/boot
	$(call part,selftests/boot,$B/boot)
build-qemu:
	@mkdir -p $B/qemu
	$(call part,selftests/qemu,$B/qemu)
