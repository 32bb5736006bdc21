"""What a process does that serves policies, or asks for them many times a second."""

import sys

from qwen_vla_core.freed_memory import keep_freed_memory

from .wire import REQUEST_BYTES

SWITCH_S = 5e-4
"""How long one Python thread may keep others waiting. With Python's own 5 ms a pass that has ended
waits that long for its end to be noticed while requests are read."""


def prepare_process() -> None:
    """Keep the memory of frames, and let threads take turns quickly."""
    keep_freed_memory(REQUEST_BYTES)
    sys.setswitchinterval(SWITCH_S)
