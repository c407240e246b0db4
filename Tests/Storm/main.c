// Threads that map, touch and unmap memory: each munmap() flushes the TLBs of all CPUs that run the process.
//
//     storm THREADS ROUNDS
//
// Prints nothing. Exit status 0 if all went well.
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static long rounds;

static void *storm(void *unused) {
    const size_t size = 4 * 4096;
    for (long round = 0; round < rounds; round++) {
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) exit(1);
        for (size_t place = 0; place < size; place += 4096) memory[place] = 1;
        if (munmap(memory, size) != 0) exit(1);
    }
    return unused;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    int threads = atoi(arguments[1]);
    rounds = atol(arguments[2]);
    if (threads < 1 || threads > 64) return 2;
    pthread_t ids[64];
    for (int thread = 0; thread < threads; thread++)
        if (pthread_create(&ids[thread], NULL, storm, NULL) != 0) return 1;
    for (int thread = 0; thread < threads; thread++) pthread_join(ids[thread], NULL);
    return 0;
}
