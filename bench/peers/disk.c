// What a disk gives a program that does nothing else: appends of N bytes, each followed by fdatasync.
//   usage: disk FILE BYTES SECONDS [ahead]     with `ahead`, 64 MiB of zeros are written first, and written over in turn
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AHEAD (64L << 20)
#define SAMPLES 2000000

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **words) {
  if (count < 4) return 2;
  long bytes = atol(words[2]);
  double seconds = atof(words[3]);
  int ahead = count > 4;
  int file = open(words[1], O_CREAT | O_TRUNC | O_WRONLY, 0644);
  char *block = malloc(bytes);
  static double ms[SAMPLES];
  if (file < 0 || block == NULL || bytes <= 0 || bytes > AHEAD) return 1;
  memset(block, 'x', bytes);
  if (ahead) {
    char *zeros = calloc(1, 1 << 20);
    for (long at = 0; at < AHEAD; at += 1 << 20)
      if (zeros == NULL || write(file, zeros, 1 << 20) != 1 << 20) return 1;
    if (fsync(file) != 0) return 1;
  }
  double start = now(), last = start;
  long done = 0, at = 0;
  while (last - start < seconds && done < SAMPLES) {
    if (ahead && at + bytes > AHEAD) at = 0;
    if (pwrite(file, block, bytes, at) != bytes || fdatasync(file) != 0) return 1;
    at += bytes;
    double end = now();
    ms[done++] = (end - last) * 1e3;
    last = end;
  }
  qsort(ms, done, sizeof *ms, ascending);
  printf("{\"ops\":%.0f,\"p50\":%.4f,\"p99\":%.4f,\"max\":%.3f}\n", done / (last - start), ms[done / 2],
         ms[(long)(done * .99)], ms[done - 1]);
  return 0;
}
