/*
 * Walks all records of all CPUs in order of time with libtracecmd's tracecmd_iterate_events(). Decodes nothing.
 *
 *   merged-iteration TRACE.dat RECORDS      fails if there are not so many
 */
#include <stdio.h>
#include <stdlib.h>

#include <trace-cmd.h>

static unsigned long long records, last;

static int note(struct tracecmd_input *handle, struct tep_record *record, int cpu, void *data)
{
	records++;
	last ^= record->ts;
	return 0;
}

int main(int argc, char **argv)
{
	struct tracecmd_input *handle = argc == 3 ? tracecmd_open(argv[1], TRACECMD_FL_LOAD_NO_PLUGINS) : NULL;

	if (!handle) {
		fprintf(stderr, "merged-iteration: cannot open the file\n");
		return 2;
	}
	tracecmd_iterate_events(handle, NULL, 0, note, NULL);
	tracecmd_close(handle);
	printf("%llu records, %llx\n", records, last);
	return records != strtoull(argv[2], NULL, 10);
}
