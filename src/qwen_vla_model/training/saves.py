"""The saves of a run: checkpoint, optimiser, progress and curve of one step, whole or not at all.

    saves/a, saves/b     two saves; a new one is written into the one that does not count
    latest               a link to the one that counts; moved in one operation
    checkpoint, state, curve.csv, curve.png      links to what is in latest

So whatever ends a process, and whenever, ``latest`` is one whole save.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_core.whole_file import cannot_write, synchronize

from ..hub import OF_A_RUN as CHECKPOINT
from ..json_file import read_json

STATE, CURVE = "state", "curve.csv"
"""File of a save: what resuming needs, and how good the run was until then."""
LATEST, SAVES = "latest", "saves"
PROGRESS = Path(STATE) / "progress.json"
LINKS = (CHECKPOINT, STATE, CURVE, "curve.png")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run was when it was saved: optimiser steps, and seconds of training."""

    step: int
    elapsed_s: float


def saved_progress(out: Path) -> Progress | None:
    """Progress in the latest save of a run; None if there is none yet.

    Raises:
        CheckpointError: the save does not say; the message names the file.
    """
    folder = out / LATEST
    return _read(folder)[0] if os.path.lexists(folder) else None


def check_save(out: Path) -> Progress:
    """Compare every file of the latest save with what was saved.

    Raises:
        CheckpointError: a file is missing or another; it is named, and so is the save before,
            where that is whole.
    """
    latest = out / LATEST
    try:
        return _check(latest)
    except CheckpointError as error:
        before = out / SAVES / _other(latest)
        try:
            step = _check(before).step
        except CheckpointError:
            raise error from None
        raise CheckpointError(
            f"{error}; the save before it, of step {step}, is whole; to go on from there: "
            f"ln -sfn {SAVES}/{before.name} {latest}"
        ) from error


def refuse_overwriting(out: Path) -> None:
    """Raise a QwenVlaError if a folder holds anything of a run."""
    if any(os.path.lexists(out / name) for name in (LATEST, *LINKS)):
        raise QwenVlaError(
            f"{out} holds a run already; go on with --resume, or choose another folder with --out"
        )


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Make a run's folder, and keep every other process from training into it meanwhile.

    Raises:
        QwenVlaError: another one does, or nothing can be written there.
    """
    try:
        (out / SAVES).mkdir(parents=True, exist_ok=True)
        lock = (out / SAVES / "lock").open("w")
    except OSError as error:
        raise cannot_write(out, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except OSError as error:
            raise QwenVlaError(f"{out}: another process is training into this folder") from error
        yield


@contextmanager
def new_save(out: Path, progress: Progress) -> Iterator[Path]:
    """The block fills the folder that is given; after it, that is the latest save of ``out``.

    If the block raises, the latest save stays the one before, and nothing is left of this one.

    Raises:
        QwenVlaError: the disk is full, or does not allow it.
    """
    folder = next_save(out)
    try:
        if folder.exists():
            shutil.rmtree(folder)
        (folder / STATE).mkdir(parents=True)
        yield folder
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        content = {
            "step": progress.step,
            "elapsed_s": progress.elapsed_s,
            "sha256": {path.relative_to(folder).as_posix(): _digest(path) for path in files},
        }
        (folder / PROGRESS).write_text(json.dumps(content, indent=1) + "\n")
        for path in (*files, folder / PROGRESS, folder / CHECKPOINT, folder / STATE, folder):
            synchronize(path)
        synchronize(out / SAVES)
        _link(out / LATEST, Path(SAVES) / folder.name)
        for name in LINKS:
            if (folder / name).exists():
                _link(out / name, Path(LATEST) / name)
        synchronize(out)
    except BaseException as error:
        if _other(out / LATEST) == folder.name:  # it does not count yet
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(folder, error) from error
        if isinstance(error, SafetensorError):
            raise QwenVlaError(f"{folder} cannot be written: {error}") from error
        raise


def next_save(out: Path) -> Path:
    """The folder that the next save is written into."""
    return out / SAVES / _other(out / LATEST)


def _other(latest: Path) -> str:
    """The name of the save that does not count."""
    return "b" if latest.is_symlink() and Path(os.readlink(latest)).name == "a" else "a"


def _link(link: Path, target: Path) -> None:
    """Let a link lead to ``target``; at any moment it leads to that or to what it did before."""
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    new = link.with_name(f".{link.name}.partial")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _read(folder: Path) -> tuple[Progress, dict[str, str]]:
    """What a save says of itself: the progress, and for each of its files the SHA-256."""
    path = folder / PROGRESS
    content = read_json(path)
    try:
        progress = Progress(step=int(content["step"]), elapsed_s=float(content["elapsed_s"]))
        return progress, dict(content["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged ({error!r})") from error


def _check(folder: Path) -> Progress:
    progress, digests = _read(folder)
    for name, digest in digests.items():
        path = folder / name
        try:
            same = _digest(path) == digest
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
        if not same:
            raise CheckpointError(f"{path} is damaged: it is not the file of step {progress.step}")
    return progress


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
