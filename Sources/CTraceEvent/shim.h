// libtraceevent: event formats (event-parse.h) and the reference walk of a sub-buffer (kbuffer.h).
#include <event-parse.h>
#include <kbuffer.h>
