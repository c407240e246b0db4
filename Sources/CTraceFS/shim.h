// libtracefs: instances, events, dynamic events (tracefs.h). And what of the system Swift does not import: fork(2), and the GNU and Linux calls that
// glibc declares only for _GNU_SOURCE, or not at all.
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <tracefs.h>
#include <unistd.h>

static inline pid_t lazytlb_fork(void) { return fork(); }

// pipe2(2) with O_CLOEXEC.
static inline int lazytlb_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }

// splice(2) from and to where the descriptors are; with SPLICE_F_MOVE, and if wanted SPLICE_F_NONBLOCK.
static inline ssize_t lazytlb_splice(int from, int to, size_t size, int nonblocking) {
    return syscall(SYS_splice, from, NULL, to, NULL, size, 1U | (nonblocking ? 2U : 0U));
}

// kcmp(2): 0 if both tasks have the same mm, 1 or 2 for an order of mms, 3 or -1 if there is none.
static inline int lazytlb_kcmp_vm(pid_t a, pid_t b) { return (int)syscall(SYS_kcmp, a, b, KCMP_VM, 0UL, 0UL); }

// close_range(2), Linux 5.9.
static inline int lazytlb_close_range(unsigned first, unsigned last) { return (int)syscall(436, first, last, 0U); }

// fork(2): a child that runs on each CPU that it may run on, in turn, and ends. It makes system calls only, so the program may have threads.
static inline pid_t lazytlb_fork_visitor(void) {
    static unsigned char allowed[1024], one[1024];
    long size = syscall(SYS_sched_getaffinity, 0, sizeof allowed, allowed);
    if (size <= 0) return -1;
    pid_t child = fork();
    if (child != 0) return child;
    for (long cpu = 0; cpu < 8 * size; cpu++) {
        unsigned char bit = (unsigned char)(1 << cpu % 8);
        if (!(allowed[cpu / 8] & bit)) continue;
        one[cpu / 8] = bit;
        syscall(SYS_sched_setaffinity, 0, size, one);
        one[cpu / 8] = 0;
    }
    _exit(0);
}
