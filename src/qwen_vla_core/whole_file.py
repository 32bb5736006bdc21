"""Files that are written whole or not at all, whatever ends the process meanwhile."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import QwenVlaError

PARTIAL = ".partial"
"""How the name of an unfinished file ends; it begins with a dot, and holds its process's id."""


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Write a file so that ``path`` holds either the old content or all of the new one.

    ``with write_whole(path) as partial: partial.write_text(...)``: the block writes the file
    ``partial``, beside ``path`` in the same folder, which is made where it is missing. When the
    block ends, ``partial`` is on the disk and takes the place of ``path``; when it raises,
    nothing is left of it. What an earlier process left behind when it was killed is removed. A
    path that is a device or a pipe, such as ``/dev/stdout``, is written directly.

    Raises:
        QwenVlaError: the file cannot be written (disk full, no permission, a folder of this
            name); the message names it and the reason, and ``path`` is as before.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            yield path
            return
        target = path.resolve()  # the file behind a link, not the link, is replaced
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        partial = target.with_name(f".{target.name}.{os.getpid()}{PARTIAL}")
        try:
            yield partial
            synchronize(partial)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        synchronize(target.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_text_whole(path: Path, text: str) -> None:
    """A file that is this text; see ``write_whole``."""
    with write_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def cannot_write(path: Path, error: OSError) -> QwenVlaError:
    """The error in one line, to be raised."""
    reason = "it is a file, no folder" if isinstance(error, FileExistsError) else error.strerror
    return QwenVlaError(f"{path} cannot be written: {reason or error}")


def synchronize(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk.

    Raises:
        OSError: the disk reports that it is not, e.g. because it is full.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if path.is_dir():
            with suppress(OSError):  # some network file systems cannot; names are safe there
                os.fsync(descriptor)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(target: Path) -> None:
    """Remove unfinished versions of ``target`` whose process has ended."""
    start = f".{target.name}."
    for partial in target.parent.glob(f"{glob.escape(start)}*{PARTIAL}"):
        process = partial.name.removeprefix(start).removesuffix(PARTIAL)
        if process.isdecimal() and not _runs(int(process)):
            partial.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True
