"""What a process frees, it keeps; ``test_shipped.py`` shows it for passes of a network (long)."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from qwen_vla_core.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [bytearray(4_000_000) for _ in range(8)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    """Page faults of the last of some rounds, each of which takes and frees 32 MB."""
    command = [sys.executable, "-c", PROGRAM, how]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(ended.stdout.splitlines()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_when_freed_memory_is_kept_expect_it_taken_again_without_the_kernel():
    assert faults("kept") < 100 and faults("kept") < 0.1 * faults("as usual")
