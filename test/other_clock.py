"""Processes whose clock differs from ours, as those of a computer without NTP."""

import os
import subprocess

SOURCE = r"""
#include <cstdlib>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
extern "C" int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
  int result = syscall(SYS_clock_gettime, clock, now);
  static long ahead = std::atol(std::getenv("CLOCK_AHEAD_S"));
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += ahead;
  return result;
}
extern "C" int gettimeofday(struct timeval* now, void*) noexcept {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
extern "C" time_t time(time_t* now) noexcept {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}
"""


def other_clock(folder, ahead_s):
    """The environment of a process whose time of day is ahead of ours, by whole seconds."""
    source, library = folder / "clock.cpp", folder / "clock.so"
    source.write_text(SOURCE)
    compiler = os.environ.get("CXX", "c++")  # set-up has used it as well
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return os.environ | {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": str(ahead_s)}
