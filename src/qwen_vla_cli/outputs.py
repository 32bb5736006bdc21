"""Where a command writes: tried before it works for minutes, and left as it was if it fails."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.whole_file import cannot_write

LOCK = ".lock"


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Hold a folder for one command: it is there and can be written, and no other writes to it.

    Folders that were made for it and have stayed empty are removed again.

    Raises:
        QwenVlaError: it cannot be written, or another command is at work there.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = None
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder / LOCK)
        except OSError as error:
            raise cannot_write(folder, error) from error
        yield
    finally:
        if lock is not None:
            (folder / LOCK).unlink(missing_ok=True)
            os.close(lock)
        with suppress(OSError):  # not empty, or not even made
            for path in made:
                path.rmdir()


def require_writable(file: Path | None) -> None:
    """Refuse a file that could not be written later; nothing is left behind. None is no file.

    Raises:
        QwenVlaError: it cannot.
    """
    if file is None:
        return
    try:
        if file.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        if file.exists() and not file.is_file():  # a device or a pipe
            return
        made = [path for path in file.parents if not path.exists()]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}."):
                pass
        finally:
            for path in made:
                if path.is_dir():
                    path.rmdir()
    except OSError as error:
        raise cannot_write(file, error) from error


def save_json(file: Path | None, content: dict) -> None:
    """Write what was shown, for programs, where the person asked for it."""
    if file is not None:
        from qwen_vla_eval.tables import write_json

        write_json(file, content)
        print(f"the same as JSON: {file}")


def _lock(path: Path) -> int:
    """A descriptor that holds the lock for as long as it is open; the kernel ends it with us."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            raise QwenVlaError(
                f"another command is writing to {path.parent}; wait for its end, or choose "
                "another --out"
            ) from None
        os.close(descriptor)  # its owner removed it meanwhile
