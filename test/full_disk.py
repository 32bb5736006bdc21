"""A disk on which only so much is free."""

import resource
import signal
import sys
from contextlib import contextmanager


@contextmanager
def full_disk(free_bytes):
    """A limit on the size of files stands for it: the kernel refuses the same writes.

    Python would cut off the bytecode that it keeps of what is imported meanwhile, and say
    nothing; all later tests would find it damaged.
    """
    before, keeps = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        sys.dont_write_bytecode = True
        resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = keeps
        signal.signal(signal.SIGXFSZ, handler)
