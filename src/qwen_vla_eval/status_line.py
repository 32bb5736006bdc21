"""One line on stderr that is written over and over; in a log, a line now and then."""

import os
import sys
import time

LOG_PERIOD_S = 5.0


class StatusLine:
    """Call it with what is going on, and with "" when that is over."""

    def __init__(self) -> None:
        self._written_s = -LOG_PERIOD_S

    def __call__(self, text: str) -> None:
        """Show ``text``, cut to the terminal's width: what wraps cannot be written over."""
        if sys.stderr.isatty():
            from rich.cells import set_cell_size  # counts wide letters, such as Chinese, as two

            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            line = set_cell_size(text, max(columns - 1, 1)).rstrip()
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif text and time.monotonic() - self._written_s > LOG_PERIOD_S:
            self._written_s = time.monotonic()
            print(text, file=sys.stderr, flush=True)
