// Stands between the program and its disk (LD_PRELOAD), for files below FAULTS_DATA.
//
// Writes a journal, one line per event, from which power_loss.py works out what a power cut may take away:
//   C path              a file or folder was created
//   T path size         a file was cut to a size
//   W path offset count bytes are about to be written (before the call: a write counts as early as it can)
//   B id path           a sync of a file or folder begins; path * stands for the whole file system
//   E id path           it has succeeded
// And does what the file FAULTS_CONTROL says, if it is there:
//   fail-sync           syncs of files and file systems fail with EIO
//   slow-sync MS        such syncs take so many milliseconds longer
//   full                writes fail with ENOSPC
//   short               writes write half of what they were given

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *data_folder, *control_file;
static int journal = -1;
static atomic_long next_sync;

static int (*real_open)(const char *, int, ...);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_syncfs)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_mkdir)(const char *, mode_t);

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_pwritev = dlsym(RTLD_NEXT, "pwritev");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_syncfs = dlsym(RTLD_NEXT, "syncfs");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    data_folder = getenv("FAULTS_DATA");
    control_file = getenv("FAULTS_CONTROL");
    if (getenv("FAULTS_JOURNAL"))
        journal = real_open(getenv("FAULTS_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void note(const char *format, ...) {
    char line[PATH_MAX + 100];
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (journal >= 0 && count > 0) real_write(journal, line, (size_t)count);  // O_APPEND: a line is never torn
}

// The path of a descriptor below the data folder; 0 for any other descriptor.
static int watched(int descriptor, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t count = data_folder ? readlink(link, path, PATH_MAX - 1) : -1;
    if (count < 0) return 0;
    path[count] = 0;
    return strncmp(path, data_folder, strlen(data_folder)) == 0;
}

// The number behind the word in the control file (0 without one), -1 when it does not ask for that fault.
static long asked(const char *word) {
    char text[100];
    int file = control_file ? real_open(control_file, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return -1;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0) return -1;
    text[count] = 0;
    return strncmp(text, word, strlen(word)) == 0 ? strtol(text + strlen(word), NULL, 10) : -1;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int is_new = (flags & O_CREAT) && access(path, F_OK) != 0;
    int descriptor = real_open(path, flags, mode);
    char real[PATH_MAX];
    if (is_new && descriptor >= 0 && watched(descriptor, real)) note("C %s\n", real);
    return descriptor;
}

int ftruncate(int descriptor, off_t size) {
    char path[PATH_MAX];
    if (watched(descriptor, path)) note("T %s %lld\n", path, (long long)size);
    return real_ftruncate(descriptor, size);
}

int mkdir(const char *path, mode_t mode) {
    int result = real_mkdir(path, mode);
    if (result == 0 && data_folder && strncmp(path, data_folder, strlen(data_folder)) == 0) note("C %s\n", path);
    return result;
}

// How many bytes may be written: all, half, or none with errno set.
static ssize_t allowed(size_t count) {
    if (asked("full") >= 0) {
        errno = ENOSPC;
        return -1;
    }
    return asked("short") >= 0 && count > 1 ? (ssize_t)(count / 2) : (ssize_t)count;
}

ssize_t pwritev(int descriptor, const struct iovec *vectors, int vector_count, off_t offset) {
    char path[PATH_MAX];
    if (!watched(descriptor, path)) return real_pwritev(descriptor, vectors, vector_count, offset);
    size_t count = 0;
    for (int index = 0; index < vector_count; index++) count += vectors[index].iov_len;
    ssize_t room = allowed(count);
    if (room < 0) return -1;
    note("W %s %lld %zd\n", path, (long long)offset, room);
    if ((size_t)room == count) return real_pwritev(descriptor, vectors, vector_count, offset);
    // Half of it, vector by vector.
    ssize_t done = 0;
    for (int index = 0; index < vector_count && done < room; index++) {
        size_t part = vectors[index].iov_len;
        if (part > (size_t)(room - done)) part = (size_t)(room - done);
        ssize_t written = real_pwrite(descriptor, vectors[index].iov_base, part, offset + done);
        if (written < 0) return done > 0 ? done : -1;
        done += written;
    }
    return done;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    char path[PATH_MAX];
    if (!watched(descriptor, path)) return real_pwrite(descriptor, bytes, count, offset);
    ssize_t room = allowed(count);
    if (room < 0) return -1;
    note("W %s %lld %zd\n", path, (long long)offset, room);
    return real_pwrite(descriptor, bytes, (size_t)room, offset);
}

static int synced(int descriptor, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat status;
    if (!watched(descriptor, path)) return real(descriptor);
    long id = atomic_fetch_add(&next_sync, 1);
    int is_all = real == real_syncfs;
    if (is_all) strcpy(path, "*");
    note("B %ld %s\n", id, path);
    if (is_all || (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))) {
        if (asked("fail-sync") >= 0) {
            errno = EIO;
            return -1;
        }
        long wait = asked("slow-sync");
        struct timespec time = {wait / 1000, wait % 1000 * 1000000};
        if (wait > 0) nanosleep(&time, NULL);
    }
    int result = real(descriptor);
    if (result == 0) note("E %ld %s\n", id, path);
    return result;
}

int fdatasync(int descriptor) { return synced(descriptor, real_fdatasync); }

int fsync(int descriptor) { return synced(descriptor, real_fsync); }

int syncfs(int descriptor) { return synced(descriptor, real_syncfs); }
