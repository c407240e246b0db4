/* libFuzzer has no header of its own: compiler-rt/lib/fuzzer/FuzzerInterface.h declares its entry. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test)(const uint8_t *data, size_t size));
