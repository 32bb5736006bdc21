"""Where figures come from: this code, on this machine."""

import os
import subprocess
from functools import cache
from pathlib import Path

HASH = ("git", "describe", "--always", "--dirty", "--abbrev=12")


@cache
def code_version() -> str:
    """The commit that runs, with ``-dirty`` behind it where files differ from it."""
    folder = Path(__file__).parent
    described = subprocess.run(HASH, cwd=folder, capture_output=True, text=True)
    return described.stdout.strip() or "not from a git checkout"


def machine() -> str:
    """What ran it, in words."""
    import torch

    from qwen_vla_model.speed.machine import describe

    found = describe(torch.device("cpu"))
    return (
        f"{found['cpu']}, {os.cpu_count()} cores; Python {found['python']}, "
        f"torch {found['torch']}, transformers {found['transformers']}"
    )
