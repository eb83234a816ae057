/* Faults at a chosen call that touches files below a folder: preloaded by faults.py, Linux only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NONE, WRITE, RENAME, READ, OPEN };

static char below[4096];
static int armed, failing;
static long at, seen[5];

/* how: an errno to fail with from the at-th call on, -1 to be killed before it, -2 to read half */
void faults_arm(const char *folder, int call, long number, int how)
{
    snprintf(below, sizeof below, "%s", folder);
    armed = call, at = number, failing = how;
    memset(seen, 0, sizeof seen);
}

long faults_seen(int call) { return seen[call]; }

static int is_below(const char *path)
{
    char whole[4096];
    if (!below[0] || !path) return 0;
    if (path[0] != '/') {
        if (!getcwd(whole, sizeof whole)) return 0;
        return !strncmp(whole, below, strlen(below));
    }
    return !strncmp(path, below, strlen(below));
}

static int is_fd_below(int fd)
{
    char link[64], path[4096];
    if (!below[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* Returns the errno to fail with, 0 to go on, or -2. */
static int fault(int call)
{
    long number = __sync_add_and_fetch(&seen[call], 1);
    if (call != armed || number < at) return 0;
    if (failing == -1) kill(getpid(), SIGKILL);
    if (failing == ENOSPC || failing == EACCES || number == at) return failing;
    return 0;
}

#define REAL(name) static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(call, test) do { int what_ = (test) ? fault(call) : 0; \
    if (what_ > 0) { errno = what_; return -1; } } while (0)

ssize_t write(int fd, const void *data, size_t size)
{ REAL(write); FAIL(WRITE, is_fd_below(fd)); return real(fd, data, size); }
ssize_t writev(int fd, const struct iovec *parts, int count)
{ REAL(writev); FAIL(WRITE, is_fd_below(fd)); return real(fd, parts, count); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where)
{ REAL(pwrite64); FAIL(WRITE, is_fd_below(fd)); return real(fd, data, size, where); }
int fsync(int fd)
{ REAL(fsync); FAIL(WRITE, is_fd_below(fd)); return real ? 0 : -1; } /* its answer is all that counts */
int rename(const char *from, const char *to)
{ REAL(rename); FAIL(RENAME, is_below(to)); return real(from, to); }
int mkdir(const char *path, mode_t mode)
{ REAL(mkdir); FAIL(OPEN, is_below(path)); return real(path, mode); }

ssize_t read(int fd, void *data, size_t size)
{
    REAL(read);
    int what = is_fd_below(fd) ? fault(READ) : 0;
    if (what > 0) { errno = what; return -1; }
    return real(fd, data, what == -2 && size > 1 ? size / 2 : size);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t where)
{
    REAL(pread64);
    int what = is_fd_below(fd) ? fault(READ) : 0;
    if (what > 0) { errno = what; return -1; }
    return real(fd, data, what == -2 && size > 1 ? size / 2 : size, where);
}

#define OPENS(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    FAIL(OPEN, OPENS(flags) && is_below(path));
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    FAIL(OPEN, OPENS(flags) && is_below(path));
    return real(path, flags, mode);
}
