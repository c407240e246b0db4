/*
 * The floor: walks all records of all CPUs of an uncompressed trace.dat file of version 6 with libtraceevent's kbuffer, on the mapped file, on
 * one core. Decodes nothing and merges nothing.
 *
 *   kbuffer-walk TRACE.dat RECORDS      fails if there are not so many
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kbuffer.h>

static const unsigned char *base;
static size_t size, at;

static void fail(const char *what)
{
	fprintf(stderr, "kbuffer-walk: %s at byte %zu\n", what, at);
	exit(2);
}

static const unsigned char *take(size_t count)
{
	const unsigned char *here = base + at;

	if (count > size - at)
		fail("the file ends");
	at += count;
	return here;
}

static uint64_t number(size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, take(bytes), bytes);
	return value;
}

static void text(void)
{
	while (*take(1))
		;
}

/* Skips what trace-cmd.dat.v6(5) has before the table of CPUs. Returns the number of CPUs. */
static unsigned int skip_head(uint64_t *page)
{
	unsigned int systems, events, cpus, id;

	if (memcmp(take(12), "\x17\x08\x44" "tracing6", 12) || number(1) != 0 || number(1) != 8)
		fail("not a little-endian, 64-bit file of version 6");
	*page = number(4);
	for (int part = 0; part < 2; part++) {
		text();
		take(number(8));
	}
	for (events = number(4); events; events--)
		take(number(8));
	for (systems = number(4); systems; systems--) {
		text();
		for (events = number(4); events; events--)
			take(number(8));
	}
	take(number(4));
	take(number(4));
	take(number(8));
	cpus = number(4);
	if (!memcmp(take(10), "options  ", 10)) {
		while ((id = number(2)))
			take(number(4));
		take(10);
	}
	if (memcmp(base + at - 10, "flyrecord", 10))
		fail("no flyrecord");
	return cpus;
}

int main(int argc, char **argv)
{
	unsigned long long records = 0, bytes = 0, last = 0, time;
	struct kbuffer *kbuffer = kbuffer_alloc(KBUFFER_LSIZE_8, KBUFFER_ENDIAN_LITTLE);
	struct stat status;
	uint64_t page;
	int file;

	if (argc != 3 || (file = open(argv[1], O_RDONLY)) < 0 || fstat(file, &status) || !kbuffer) {
		fprintf(stderr, "kbuffer-walk: cannot open the file\n");
		return 2;
	}
	size = status.st_size;
	base = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	if (base == MAP_FAILED)
		fail("cannot be mapped");
	madvise((void *)base, size, MADV_SEQUENTIAL);
	for (unsigned int cpus = skip_head(&page); cpus; cpus--) {
		uint64_t offset = number(8), length = number(8);

		if (offset > size || length > size - offset)
			fail("a CPU's data is cut off");
		for (const unsigned char *here = base + offset; here < base + offset + length; here += page) {
			kbuffer_load_subbuffer(kbuffer, (void *)here);
			for (void *data = kbuffer_read_event(kbuffer, &time); data; data = kbuffer_next_event(kbuffer, &time)) {
				bytes += kbuffer_event_size(kbuffer);
				last ^= time;
				records++;
			}
		}
	}
	printf("%llu records, %llu bytes, %llx\n", records, bytes, last);
	return records != strtoull(argv[2], NULL, 10);
}
