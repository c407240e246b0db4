/*
 * What a guest does while it is recorded: tools/record-guest. Static, since the guest has no libraries of its own.
 *
 *   workload KIND SECONDS      threads, forkexec, pingpong, reclaim, hotplug, mixed; storm (munmap alone), idle
 *
 * Prints what it did as "KIND: N units". storm and pingpong are also what the cost of recording is measured with.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define PAGE 4096ul

static const char *self;
static double deadline;

static void die(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int running(void)
{
	return now() < deadline;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* The CPU may be off just now; then the thread goes where it likes. */
	sched_setaffinity(0, sizeof(set), &set);
}

static void doze(long ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void touch(char *memory, unsigned long pages)
{
	for (unsigned long i = 0; i < pages; i++)
		((volatile char *)memory)[i * PAGE]++;
}

static char *map(unsigned long pages)
{
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

/* Threads of one mm: ranges of all sizes are unmapped, protected and moved while other CPUs run the same mm, or have just left it. */

static atomic_ulong units;

struct thread {
	pthread_t id;
	int number;
};

static void *flush_ranges(void *arg)
{
	struct thread *thread = arg;
	unsigned int seed = thread->number + 1;

	if (thread->number < get_nprocs())
		pin(thread->number);
	while (running()) {
		unsigned long pages = rand_r(&seed) % 4 ? 1 + rand_r(&seed) % 8 : 1 + rand_r(&seed) % 100;
		char *memory = map(pages);

		touch(memory, pages);
		switch (rand_r(&seed) % 5) {
		case 0:
			madvise(memory, pages * PAGE, MADV_DONTNEED);
			touch(memory, pages);
			break;
		case 1:
			mprotect(memory, pages * PAGE, PROT_READ);
			break;
		case 2: {
			char *moved = mremap(memory, pages * PAGE, (pages + 8) * PAGE, MREMAP_MAYMOVE);

			if (moved != MAP_FAILED) {
				memory = moved;
				pages += 8;
				touch(memory, pages);
			}
			break;
		}
		}
		munmap(memory, pages * PAGE);
		if (rand_r(&seed) % 8 == 0)
			doze(rand_r(&seed) % 2000000);
		units++;
	}
	return NULL;
}

static void threads(void)
{
	struct thread all[6];

	for (int i = 0; i < 6; i++) {
		all[i].number = i;
		if (pthread_create(&all[i].id, NULL, flush_ranges, &all[i]))
			die("pthread_create");
	}
	for (int i = 0; i < 6; i++)
		pthread_join(all[i].id, NULL);
}

/* Processes that come and go in every way that there is. */

static int share_vm(void *arg)
{
	char *memory = map(4);

	(void)arg;
	touch(memory, 4);
	munmap(memory, 4 * PAGE);
	doze(100000);
	return 0;
}

static void reap(pid_t pid)
{
	if (pid > 0)
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
}

static void forkexec(void)
{
	char *const nothing[] = { "workload", "nothing", "0", NULL };
	char *stack = map(16);
	char *memory = map(64);

	touch(memory, 64);
	while (running()) {
		pid_t pid = fork();

		if (!pid) {
			execv(self, nothing);
			_exit(1);
		}
		reap(pid);
		pid = vfork();
		if (!pid) {
			execv(self, nothing);
			_exit(1);
		}
		reap(pid);
		if (!posix_spawn(&pid, self, NULL, NULL, nothing, environ))
			reap(pid);
		/* Copies on write in both. */
		pid = fork();
		if (!pid) {
			touch(memory, 64);
			_exit(0);
		}
		touch(memory, 64);
		reap(pid);
		/* Shares the mm, and is no thread. */
		reap(clone(share_vm, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL));
		units++;
	}
}

/* Pairs that wake each other over pipes: on the same CPU, on two, and where the scheduler puts them. */

static void echo(int from, int to, int cpu)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cpu >= 0)
		pin(cpu);
	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
	_exit(0);
}

static void pair(int first, int second)
{
	int there[2], back[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (!pid) {
		close(there[1]);
		close(back[0]);
		echo(there[0], back[1], second);
	}
	close(there[0]);
	close(back[1]);
	if (first >= 0)
		pin(first);
	while (running()) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("pipe");
		units++;
	}
	close(there[1]);
	close(back[0]);
	reap(pid);
}

/* Runs body in a process of its own, whose units the parent adds up in the end. */
static int spawn(void (*body)(int), int number)
{
	int result[2];
	pid_t pid;

	if (pipe(result))
		die("pipe");
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		unsigned long count;

		close(result[0]);
		units = 0;
		body(number);
		count = units;
		if (write(result[1], &count, sizeof(count)) != sizeof(count))
			_exit(1);
		_exit(0);
	}
	close(result[1]);
	return result[0];
}

static void collect(int result)
{
	unsigned long count = 0;

	if (read(result, &count, sizeof(count)) == sizeof(count))
		units += count;
	close(result);
	wait(NULL);
}

static void one_pair(int number)
{
	int cpus = get_nprocs();

	prctl(PR_SET_NAME, "pingpong");
	switch (number % 4) {
	case 0: pair(0, 0); break;
	case 1: pair(0, 1 % cpus); break;
	case 2: pair(cpus - 1, 0); break;
	case 3: pair(-1, -1); break;
	}
}

static void pingpong(void)
{
	int results[4];

	for (int i = 0; i < 4; i++)
		results[i] = spawn(one_pair, i);
	for (int i = 0; i < 4; i++)
		collect(results[i]);
}

/* More memory in use than there is: pages are unmapped by reclaim, in batches. */

struct share {
	char *memory;
	unsigned long pages;
	unsigned long first;
};

static void *touch_all(void *arg)
{
	struct share *share = arg;
	unsigned long i = share->first;

	while (running()) {
		touch(share->memory + i * PAGE, share->pages - i < 64 ? share->pages - i : 64);
		i += 64;
		if (i >= share->pages) {
			i = 0;
			units++;
		}
	}
	return NULL;
}

/* Pages that are left to work with. */
static unsigned long rest;

/*
 * Holds all memory but some: what is left is full within a second, even where the CPU is emulated.
 * With huge pages, where there are any, as they are taken faster.
 */
static void hold_memory(void)
{
	struct sysinfo info;
	unsigned long held;
	char *memory;

	sysinfo(&info);
	rest = (32ul << 20) / PAGE;
	held = info.freeram / PAGE * info.mem_unit;
	if (held <= rest)
		return;
	memory = map(held - rest);
	madvise(memory, (held - rest) * PAGE, MADV_HUGEPAGE);
	if (mlock(memory, (held - rest) * PAGE))
		die("mlock");
}

static void eat(int number)
{
	/* More than there is and than others have to give: two processes of this size, their threads from different places on. */
	unsigned long pages = rest * 5 / 4;
	char *memory = map(pages);
	struct share shares[2] = { { memory, pages, 0 }, { memory, pages, pages / 2 } };
	pthread_t thread;

	prctl(PR_SET_NAME, number ? "reclaim1" : "reclaim0");
	if (pthread_create(&thread, NULL, touch_all, &shares[1]))
		die("pthread_create");
	touch_all(&shares[0]);
	pthread_join(thread, NULL);
}

static void reclaim(void)
{
	int first = spawn(eat, 0), second = spawn(eat, 1);

	collect(first);
	collect(second);
}

/* CPUs go off and come back while others work. */

static void set_online(int cpu, int on)
{
	char path[80];
	int file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	file = open(path, O_WRONLY);
	if (file < 0 || write(file, on ? "1" : "0", 1) != 1)
		fprintf(stderr, "workload: %s: %s\n", path, strerror(errno));
	if (file >= 0)
		close(file);
}

static void as_threads(int number)
{
	(void)number;
	prctl(PR_SET_NAME, "threads");
	threads();
}

static void as_forkexec(int number)
{
	(void)number;
	prctl(PR_SET_NAME, "forkexec");
	forkexec();
}

static void turn_cpus(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);

	while (running()) {
		for (int cpu = 1; cpu < cpus; cpu++) {
			set_online(cpu, 0);
			doze(50000000);
			set_online(cpu, 1);
			doze(50000000);
		}
		units++;
	}
}

static void hotplug(void)
{
	int results[3] = { spawn(as_threads, 0), spawn(one_pair, 1), spawn(one_pair, 3) };

	turn_cpus();
	for (int i = 0; i < 3; i++)
		collect(results[i]);
}

static void mixed(void)
{
	int results[6] = { spawn(as_threads, 0), spawn(as_forkexec, 0), spawn(one_pair, 0), spawn(one_pair, 3), spawn(eat, 0), spawn(eat, 1) };

	turn_cpus();
	for (int i = 0; i < 6; i++)
		collect(results[i]);
}

/* One thread unmaps a page that others have just used, as often as it can: each time an IPI to all CPUs that run them. */

static char *volatile victim;

static void *use(void *arg)
{
	(void)arg;
	while (running()) {
		char *memory = victim;

		for (int i = 0; i < 1000; i++)
			(void)*(volatile char *)memory;
	}
	return NULL;
}

static void storm(void)
{
	int cpus = get_nprocs();
	pthread_t others[cpus];

	victim = map(1);
	for (int i = 1; i < cpus; i++)
		if (pthread_create(&others[i], NULL, use, NULL))
			die("pthread_create");
	while (running()) {
		for (int i = 0; i < 16; i++) {
			char *memory = map(1);

			touch(memory, 1);
			munmap(memory, PAGE);
			units++;
		}
	}
	for (int i = 1; i < cpus; i++)
		pthread_join(others[i], NULL);
}

static void idle(void)
{
	while (running())
		doze(10000000);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} kinds[] = {
		{ "threads", threads }, { "forkexec", forkexec }, { "pingpong", pingpong }, { "reclaim", reclaim },
		{ "hotplug", hotplug }, { "mixed", mixed }, { "storm", storm }, { "idle", idle },
	};

	if (argc == 3 && !strcmp(argv[1], "nothing"))
		return 0;
	self = "/proc/self/exe";
	for (size_t i = 0; argc == 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(argv[1], kinds[i].name))
			continue;
		if (kinds[i].run == reclaim || kinds[i].run == mixed)
			hold_memory();
		double start = now();

		deadline = start + atof(argv[2]);
		kinds[i].run();
		printf("%s: %lu units in %.3f s\n", kinds[i].name, (unsigned long)units, now() - start);
		return 0;
	}
	fprintf(stderr, "usage: workload threads|forkexec|pingpong|reclaim|hotplug|mixed|storm|idle SECONDS\n");
	return 2;
}
