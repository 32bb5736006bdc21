"""One recorder to a folder: two would recover, and remove, what the other one is writing."""

import fcntl
from pathlib import Path

from qwen_vla_core.errors import RecordingError

FILE = ".recorder.lock"


class FolderLock:
    """Held until ``release``, or until the process ends, however it does."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made where it is missing.

        Raises:
            RecordingError: it cannot be written, or another recorder has it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / FILE).open("w")
        except OSError as error:
            raise RecordingError(
                f"{folder} cannot be written: {error.strerror or error}; name another with folder"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise RecordingError(
                f"another recorder writes to {folder}: end it, or give this one another folder"
            ) from error

    def release(self) -> None:
        """Let another recorder have the folder."""
        self._file.close()
