"""Progress bars as wide as the terminal, and as lines where the output goes into a file."""

import sys
from collections.abc import Callable
from typing import TextIO

from tqdm import tqdm

LOG_PERIOD_S = 30.0
LOG_COLUMNS = 100


class _Lines(tqdm):
    """A bar that writes a line now and then: carriage returns make a log one endless line."""

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        """What writes the bar; tqdm ends the last line itself."""
        begun = False

        def write(text: str) -> None:
            nonlocal begun
            file.write(f"\n{text}" if begun else text)
            file.flush()
            begun = True

        return write

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """What the next line ends with; of itself it is no reason for a line."""
        super().set_postfix_str(s, refresh=False)


def progress_bar(
    total: int | None, unit: str, *, initial: int = 0, title: str | None = None
) -> tqdm:
    """A bar on stderr; a context manager with ``update`` and ``set_postfix_str``.

    Args:
        total: how many there are, in ``unit``; None where only the time says when it ends.
        initial: how many of them were done before.
        title: stands before the bar.
    """
    described = {"total": total, "unit": unit, "initial": initial, "desc": title}
    if sys.stderr.isatty():
        return tqdm(**described, dynamic_ncols=True)
    return _Lines(**described, ncols=LOG_COLUMNS, mininterval=LOG_PERIOD_S, miniters=1)
