/* Stands between a process and the files of one folder (LD_PRELOAD; tests/power/disk.py).

   It writes down, on a tape outside of that folder, every change of a file, every change of the
   folder, and every sync, in their order; and it lets the nth such call fail when it is told to.
   A sync is written down and not made: the tape is the disk. TAPE_UNDER is the folder, TAPE the
   file. What is mapped, such as SQLite's -shm, is not seen; it is not meant to outlive a process.

   A record is: kind, file, offset, length, and that many bytes. A file is known by a number of its
   own, which it keeps when it is renamed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CREATE = 'C', WRITE = 'W', TRUNCATE = 'T', SYNC = 'S', FAILED_SYNC = 'F', FOLDER = 'D',
       UNLINK = 'U', RENAME = 'R', LINK = 'L' };
enum { FDS = 4096, FILES = 65536, NONE = 0, THE_FOLDER = -1 };

struct record { uint32_t kind, file; uint64_t offset, length; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *under;
static size_t under_chars;
static int tape = -1;
static uint64_t position;                       /* records on the tape */
static int file_of[FDS];                        /* by descriptor: NONE, THE_FOLDER, or the file */
static struct { dev_t device; ino_t inode; } known[FILES];
static int files;

/* What is to fail: the `at`th call of those that are counted, and if `lasting` all after it.
   Counted are calls that read, or all the others. */
static struct { uint64_t calls, at, failed; int error, lasting, reads; } fault;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_link)(const char *, const char *);

__attribute__((constructor)) static void begin(void) {
  real_open = real("open"); real_close = real("close"); real_write = real("write");
  real_pwrite = real("pwrite"); real_ftruncate = real("ftruncate"); real_fsync = real("fsync");
  real_read = real("read"); real_pread = real("pread"); real_unlink = real("unlink"); real_rename = real("rename"); real_link = real("link");
  const char *to = getenv("TAPE");
  under = getenv("TAPE_UNDER");
  if (!to || !under) return;
  under_chars = strlen(under);
  tape = real_open(to, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  unsetenv("TAPE"); /* its children are not on it */
}

/* ── what Python asks for (ctypes) ───────────────────────────────────────────────────────────── */

uint64_t tape_position(void) {
  pthread_mutex_lock(&lock);
  uint64_t at = position;
  pthread_mutex_unlock(&lock);
  return at;
}

void disk_fail(uint64_t at, int error, int lasting, int reads) {
  pthread_mutex_lock(&lock);
  if (at) fault.calls = fault.failed = 0; /* mended, it can still be asked how many failed */
  fault.at = at; fault.error = error; fault.lasting = lasting;
  fault.reads = reads;
  pthread_mutex_unlock(&lock);
}

uint64_t disk_failed(void) { return fault.failed; }

/* ── the tape ────────────────────────────────────────────────────────────────────────────────── */

/* Not what is mapped, nor the simulators' own database. */
static const char *watched(const char *path) {
  if (tape < 0 || strncmp(path, under, under_chars) || path[under_chars] != '/') return NULL;
  const char *name = path + under_chars + 1;
  size_t chars = strlen(name);
  if (chars > 4 && !strcmp(name + chars - 4, "-shm")) return NULL;
  return strncmp(name, "sandbox.db", 10) ? name : NULL;
}

static void note(int kind, int file, uint64_t offset, const void *bytes, size_t length) {
  struct record head = { kind, file, offset, length };
  if (real_write(tape, &head, sizeof head) != sizeof head) abort();
  for (size_t done = 0; done < length;) {
    ssize_t more = real_write(tape, (const char *)bytes + done, length - done);
    if (more <= 0) abort();
    done += more;
  }
  position++;
}

static int number_of(int fd, int fresh) {
  struct stat is;
  if (fstat(fd, &is)) abort();
  if (S_ISDIR(is.st_mode)) return THE_FOLDER;
  for (int i = files; i > 0 && !fresh; i--)
    if (known[i].device == is.st_dev && known[i].inode == is.st_ino) return i;
  if (++files == FILES) abort();
  known[files].device = is.st_dev; known[files].inode = is.st_ino;
  return files;
}

static int fails_at(int reading) {
  if (!fault.at || fault.reads != reading) return 0;
  fault.calls++;
  if (fault.calls != fault.at && !(fault.lasting && fault.calls > fault.at)) return 0;
  fault.failed++;
  errno = fault.error;
  return 1;
}
static int fails(void) { return fails_at(0); }

/* ── what is called instead of the C library ─────────────────────────────────────────────────── */

static int opened(const char *path, int flags, mode_t mode) {
  const char *name = watched(path);
  int folder = tape >= 0 && !strcmp(path, under);
  if (!name && !folder) return real_open(path, flags, mode);
  pthread_mutex_lock(&lock);
  int fresh = name && (flags & O_CREAT) && access(path, F_OK);
  int fd = fresh && fails() ? -1 : real_open(path, flags, mode);
  if (fd >= FDS) abort();
  if (fd >= 0) {
    file_of[fd] = number_of(fd, fresh);
    if (fresh) note(CREATE, file_of[fd], 0, name, strlen(name));
    else if (name && (flags & O_TRUNC)) note(TRUNCATE, file_of[fd], 0, "", 0);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

#define OPENS(name)                                                                              \
  int name(const char *path, int flags, ...) {                                                   \
    va_list rest; va_start(rest, flags);                                                         \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                    \
    va_end(rest);                                                                                \
    return opened(path, flags, mode);                                                            \
  }
#define OPENS_AT(name)                                                                           \
  int name(int at, const char *path, int flags, ...) {                                           \
    va_list rest; va_start(rest, flags);                                                         \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                    \
    va_end(rest);                                                                                \
    return *path == '/' ? opened(path, flags, mode) : REAL(openat)(at, path, flags, mode);       \
  }
OPENS(open) OPENS(open64) OPENS_AT(openat) OPENS_AT(openat64)
int __open_2(const char *path, int flags) { return opened(path, flags, 0); }
int __open64_2(const char *path, int flags) { return opened(path, flags, 0); }

int close(int fd) {
  if (fd >= 0 && fd < FDS) file_of[fd] = NONE;
  return real_close(fd);
}

/* One that fails has written the half of it, to a whole sector: as a disk does that fills up. */
static ssize_t put(int fd, const void *bytes, size_t length, off_t at) {
  pthread_mutex_lock(&lock);
  int failing = fails(), why = errno;
  size_t wanted = failing ? length / 2 / 512 * 512 : length;
  ssize_t done = wanted ? real_pwrite(fd, bytes, wanted, at) : 0;
  if (done > 0) note(WRITE, file_of[fd], at, bytes, done);
  pthread_mutex_unlock(&lock);
  if (failing) { errno = why; return -1; }
  return done;
}

static int ours(int fd) { return fd >= 0 && fd < FDS && file_of[fd] > 0; }

#define PWRITES(name)                                                                            \
  ssize_t name(int fd, const void *bytes, size_t length, off_t at) {                             \
    return ours(fd) ? put(fd, bytes, length, at) : real_pwrite(fd, bytes, length, at);           \
  }
PWRITES(pwrite) PWRITES(pwrite64)

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!ours(fd)) return real_write(fd, bytes, length);
  ssize_t done = put(fd, bytes, length, lseek(fd, 0, SEEK_CUR));
  if (done > 0) lseek(fd, done, SEEK_CUR);
  return done;
}

static int unreadable(int fd) {
  if (!ours(fd)) return 0;
  pthread_mutex_lock(&lock);
  int failing = fails_at(1);
  pthread_mutex_unlock(&lock);
  return failing;
}
ssize_t read(int fd, void *bytes, size_t length) {
  return unreadable(fd) ? -1 : real_read(fd, bytes, length);
}
#define PREADS(name)                                                                             \
  ssize_t name(int fd, void *bytes, size_t length, off_t at) {                                   \
    return unreadable(fd) ? -1 : real_pread(fd, bytes, length, at);                              \
  }
PREADS(pread) PREADS(pread64)

static int cut_to(int fd, off_t length) {
  if (!ours(fd)) return real_ftruncate(fd, length);
  pthread_mutex_lock(&lock);
  int done = fails() ? -1 : real_ftruncate(fd, length);
  if (!done) note(TRUNCATE, file_of[fd], length, "", 0);
  pthread_mutex_unlock(&lock);
  return done;
}
int ftruncate(int fd, off_t length) { return cut_to(fd, length); }
int ftruncate64(int fd, off_t length) { return cut_to(fd, length); }

static int synced(int fd) {
  if (fd < 0 || fd >= FDS || file_of[fd] == NONE) return real_fsync(fd);
  pthread_mutex_lock(&lock);
  int failing = fails();
  if (file_of[fd] == THE_FOLDER) { if (!failing) note(FOLDER, 0, 0, "", 0); }
  else note(failing ? FAILED_SYNC : SYNC, file_of[fd], 0, "", 0);
  pthread_mutex_unlock(&lock);
  return failing ? -1 : 0;
}
int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

int unlink(const char *path) {
  const char *name = watched(path);
  if (!name) return real_unlink(path);
  pthread_mutex_lock(&lock);
  int done = access(path, F_OK) ? real_unlink(path) : fails() ? -1 : real_unlink(path);
  if (!done) note(UNLINK, 0, 0, name, strlen(name));
  pthread_mutex_unlock(&lock);
  return done;
}

/* Both names, each ended by a zero. */
static int named(int kind, const char *from, const char *to,
                 int (*really)(const char *, const char *)) {
  const char *one = watched(from), *other = watched(to);
  if (!one || !other) return really(from, to);
  pthread_mutex_lock(&lock);
  int done = fails() ? -1 : really(from, to);
  if (!done) {
    size_t first = strlen(one) + 1, second = strlen(other) + 1;
    char both[first + second];
    memcpy(both, one, first); memcpy(both + first, other, second);
    note(kind, 0, 0, both, first + second);
  }
  pthread_mutex_unlock(&lock);
  return done;
}
int rename(const char *from, const char *to) { return named(RENAME, from, to, real_rename); }
int link(const char *from, const char *to) { return named(LINK, from, to, real_link); }
