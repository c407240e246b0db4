/// Asks for the cache line of an address, which is to be read soon. Any address will do.
static inline void prefetch_read(const void *address) { __builtin_prefetch(address, 0, 3); }

/// The same of one that is to be written.
static inline void prefetch_write(const void *address) { __builtin_prefetch(address, 1, 3); }
