#include <sys/syscall.h>

// unistd.h declares it in some modes only.
long syscall(long number, ...);

/// Writes to `mask`, a bit each, which CPUs the thread may run on (0 for the caller's); so many bytes of it, or -1 if `size` bytes are too few.
static inline long affinity_get(int thread, unsigned long size, void *mask) { return syscall(SYS_sched_getaffinity, thread, size, mask); }

/// Lets the thread run on those CPUs alone, to one of which it moves at once; -1 if it cannot.
static inline long affinity_set(int thread, unsigned long size, const void *mask) { return syscall(SYS_sched_setaffinity, thread, size, mask); }

/// The CPU that the caller runs on, or ran on just now; -1 if nobody knows.
static inline int affinity_current(void) {
    unsigned cpu;
    return syscall(SYS_getcpu, &cpu, 0, 0) == 0 ? (int)cpu : -1;
}
