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


def machine(device: str = "cpu") -> str:
    """What ran it, in words."""
    import torch

    from .speed.machine import describe

    found = describe(torch.device(device))
    gpu = f"{found['gpu']}; " if "gpu" in found else ""
    return (
        f"{gpu}{found['cpu']}, {os.cpu_count()} cores, {found['threads']} used; "
        f"Python {found['python']}, torch {found['torch']}, "
        f"transformers {found['transformers']}"
    )
