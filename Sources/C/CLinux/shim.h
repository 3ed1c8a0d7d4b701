// Of the C library, what its Swift module leaves out.
#include <sys/statfs.h>

// unistd.h declares it for programs that define _GNU_SOURCE.
int syncfs(int fd);
