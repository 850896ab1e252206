// SPDX-License-Identifier: GPL-2.0
/*
 * Create VMs and kill their processes at random moments: nothing may be left behind.
 *
 *	storm COUNT [SEED]
 *	storm hold		one VM, until killed
 *
 * The device is taken from VMM_DEV (default /dev/vmm). Output is TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>

#define MEMORY    (8u << 20)
#define CODE      0x1000
#define MAX_VCPUS 3

/* How far a VM got before it was killed. */
enum stage { STARTED, OPENED, CREATED, POPULATED, RAN, STAGES };
static const char *const stage_name[STAGES] = { "started", "opened", "created", "populated",
						"ran" };

/* Shared with the children. */
static volatile int *reached;

/*
 * Real mode: touch a page, ask CPUID, write a port and a device, count the page up to 4 MiB (by
 * segment), and so on without end.
 *
 *	1: inc word [0]; cpuid; out 0x80, al; mov [es:0], al; mov ax, ds; add ax, 0x100;
 *	   and ax, 0x7fff; or ax, 0x200; mov ds, ax; jmp 1b
 */
static const uint8_t code[] = {
	0xff, 0x06, 0x00, 0x00, 0x0f, 0xa2, 0xe6, 0x80, 0x26, 0xa2, 0x00, 0x00, 0x8c, 0xd8,
	0x05, 0x00, 0x01, 0x25, 0xff, 0x7f, 0x0d, 0x00, 0x02, 0x8e, 0xd8, 0xeb, 0xe5,
};

static void *run_vcpu(void *arg)
{
	int vcpu = (int)(intptr_t)arg;

	for (;;) {
		/* The freezer of suspend interrupts it, as a signal would. */
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			_exit(3);
		*reached = RAN;
	}
	return NULL;
}

static int add_vcpu(int vm, int id)
{
	struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, id);
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

	if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		_exit(2);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	/* ES is where no memory is. */
	sregs.es.base = 0xe0000000;
	sregs.es.selector = 0xf000;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu, KVM_SET_MP_STATE, &running))
		_exit(2);
	return vcpu;
}

static void add_irqfd(int vm)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = 4 };
	struct kvm_ioeventfd io = { .addr = 0x80,
				    .len = 1,
				    .fd = eventfd(0, EFD_CLOEXEC),
				    .flags = KVM_IOEVENTFD_FLAG_PIO };

	if (ioctl(vm, KVM_IRQFD, &irqfd) || ioctl(vm, KVM_IOEVENTFD, &io))
		_exit(2);
}

/* One VM, which runs until the process is killed; status 2 if it cannot be made, 3 if not run. */
static void live(unsigned int vcpus, bool irqchip, bool log)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	const char *path = getenv("VMM_DEV") ?: "/dev/vmm";
	struct kvm_pit_config pit = { 0 };
	int dev = open(path, O_RDWR | O_CLOEXEC), vm;
	pthread_t thread;
	char *memory;
	unsigned int i;

	*reached = OPENED;
	vm = dev < 0 ? -1 : ioctl(dev, KVM_CREATE_VM, 0);
	if (vm < 0)
		_exit(2);
	*reached = CREATED;
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(2);
	memcpy(memory + CODE, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)memory;
	slot.flags = log ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		_exit(2);
	if (irqchip) {
		if (ioctl(vm, KVM_CREATE_IRQCHIP, 0) || ioctl(vm, KVM_CREATE_PIT2, &pit))
			_exit(2);
		add_irqfd(vm);
	}
	*reached = POPULATED;
	for (i = 0; i < vcpus; i++)
		if (pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)add_vcpu(vm, i)))
			_exit(2);
	for (;;) {
		/* Give the MMU notifier something to do meanwhile. */
		madvise(memory + (1 << 20), 1 << 20, MADV_DONTNEED);
		usleep(1000);
	}
}

static void sleep_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static unsigned int now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Milliseconds from fork to a running guest, which depend on the kernel; 0 if it never runs. */
static unsigned int time_to_run(void)
{
	unsigned int begin = now_ms(), ms = 0;
	pid_t pid;

	*reached = STARTED;
	pid = fork();
	if (!pid)
		live(MAX_VCPUS, true, false);
	while (ms < 60000 && *reached != RAN && !waitpid(pid, NULL, WNOHANG)) {
		sleep_ms(1);
		ms = now_ms() - begin;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return *reached == RAN ? ms + 1 : 0;
}

static int one(unsigned int n, unsigned int longest)
{
	unsigned int life = random() % longest;
	unsigned int vcpus = 1 + random() % MAX_VCPUS;
	bool irqchip = n % 4, log = n % 3 == 0;
	int status;
	pid_t pid;

	*reached = STARTED;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return -1;
	}
	if (!pid)
		live(vcpus, irqchip, log);
	sleep_ms(life);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (!WIFSIGNALED(status)) {
		printf("# VM %u (%u vCPUs, irqchip %d, log %d) ended: stage %s, status %d\n", n,
		       vcpus, irqchip, log, stage_name[*reached], WEXITSTATUS(status));
		return -1;
	}
	return *reached;
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 0) : (unsigned int)time(NULL);
	unsigned int killed[STAGES] = { 0 }, bad = 0, typical, longest, n;
	int i;

	reached = mmap(NULL, sizeof(*reached), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (reached == MAP_FAILED)
		return 71;
	if (argc > 1 && !strcmp(argv[1], "hold"))
		live(1, true, false);
	if (!count) {
		fprintf(stderr, "usage: %s COUNT [SEED]\n", argv[0]);
		return 64;
	}
	srandom(seed);
	typical = time_to_run();
	if (!typical) {
		printf("1..1\nnot ok 1 - storm.a VM runs at all\n");
		return 1;
	}
	longest = 2 * typical;
	for (n = 0; n < count && bad < 5; n++) {
		i = one(n, longest);
		/* The machine may become slower, or faster: about half of them are to run. */
		if (i == RAN && longest > typical)
			longest -= longest / 16;
		else if (i != RAN && longest < 64 * typical)
			longest += longest / 16 + 1;
		if (i < 0)
			bad++;
		else
			killed[i]++;
	}
	printf("1..2\n# seed %u, a VM runs after %u ms\n", seed, typical);
	for (i = 0; i < STAGES; i++)
		printf("# %u had %s\n", killed[i], stage_name[i]);
	printf("# figure %u VMs killed\n", n);
	printf("%s 1 - storm.%u VMs killed\n", bad ? "not ok" : "ok", count);
	/* A storm in which hardly any guest ran tests nothing. */
	printf("%s 2 - storm.a quarter of them ran\n", killed[RAN] * 4 >= count ? "ok" : "not ok");
	return bad || killed[RAN] * 4 < count;
}
