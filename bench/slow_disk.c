/* Makes every flush take FLUSH_MS milliseconds more (LD_PRELOAD; bench/disks.py): a virtual disk
   says that it has written what it was given before it has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct timespec pause_;

__attribute__((constructor)) static void begin(void) {
  const char *given = getenv("FLUSH_MS");
  long ns = given ? (long)(atof(given) * 1e6) : 0;
  pause_ = (struct timespec){ns / 1000000000, ns % 1000000000};
}

static int slowly(const char *name, int fd) {
  int done = ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
  nanosleep(&pause_, NULL);
  return done;
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
