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
static int armed, failing, told = -1;
static long at, seen[5];

/* how: an errno to fail with from the at-th call on, -1 to be killed before it, -2 to read half,
   -3 to stop before each at-th; log: of every call and its path */
void faults_arm(const char *folder, int call, long number, int how, const char *log)
{
    told = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    snprintf(below, sizeof below, "%s", folder);
    armed = call, at = number, failing = how;
    memset(seen, 0, sizeof seen);
}

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

/* Returns the errno to fail with, 0 to go on, or -2. */
static int fault(int call, const char *path)
{
    if (!is_below(path)) return 0;
    long number = __sync_add_and_fetch(&seen[call], 1);
    dprintf(told, "%d %s\n", call, path);
    if (call != armed) return 0;
    if (failing == -3 && number % at == 0) raise(SIGSTOP);
    if (failing == -3 || number < at) return 0;
    if (failing == -1) kill(getpid(), SIGKILL);
    if (failing == ENOSPC || failing == EACCES || number == at) return failing;
    return 0;
}

static int fd_fault(int call, int fd)
{
    char link[64], path[4096];
    if (!below[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fault(call, path);
}

#define REAL(name) static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL(what) do { int what_ = what; if (what_ > 0) { errno = what_; return -1; } } while (0)

ssize_t write(int fd, const void *data, size_t size)
{ REAL(write); FAIL(fd_fault(WRITE, fd)); return real(fd, data, size); }
ssize_t writev(int fd, const struct iovec *parts, int count)
{ REAL(writev); FAIL(fd_fault(WRITE, fd)); return real(fd, parts, count); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where)
{ REAL(pwrite64); FAIL(fd_fault(WRITE, fd)); return real(fd, data, size, where); }
int fsync(int fd)
{ REAL(fsync); FAIL(fd_fault(WRITE, fd)); return real ? 0 : -1; } /* its answer is all that counts */
int rename(const char *from, const char *to)
{ REAL(rename); FAIL(fault(RENAME, to)); return real(from, to); }
int mkdir(const char *path, mode_t mode)
{ REAL(mkdir); FAIL(fault(OPEN, path)); return real(path, mode); }

ssize_t read(int fd, void *data, size_t size)
{
    REAL(read);
    int what = fd_fault(READ, fd);
    if (what > 0) { errno = what; return -1; }
    return real(fd, data, what == -2 && size > 1 ? size / 2 : size);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t where)
{
    REAL(pread64);
    int what = fd_fault(READ, fd);
    if (what > 0) { errno = what; return -1; }
    return real(fd, data, what == -2 && size > 1 ? size / 2 : size, where);
}

#define OPENS(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    FAIL(OPENS(flags) ? fault(OPEN, path) : 0);
    return real(path, flags, mode);
}
int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more);
    FAIL(OPENS(flags) ? fault(OPEN, path) : 0);
    return real(path, flags, mode);
}
