"""How far a run is, for whoever waits for it: a bar in a terminal, a line a minute in a log."""

import sys
import time

from tqdm import tqdm

BAR = "{percentage:3.0f} %|{bar}| {elapsed}<{remaining}{postfix}"
LOG_EVERY_S = 60.0


class ProgressBar:
    """Runs over what ends the run, steps or minutes; a context manager."""

    def __init__(self, done: float) -> None:
        """Begin at a fraction of the run, 0 to 1."""
        self._begun, self._begin_s, self._said_s = done, time.monotonic(), -LOG_EVERY_S
        self._bar = tqdm(
            total=100.0,
            initial=100.0 * done,
            bar_format=BAR,
            dynamic_ncols=True,
            mininterval=1.0,
            disable=None,  # where standard error is no terminal
        )

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, done: float, step: int, loss: float) -> None:
        """The fraction of the run that is done, with the number of the step and its loss."""
        if not self._bar.disable:
            self._bar.set_postfix_str(f"step {step}, loss {loss:.4f}", refresh=False)
            self._bar.update(100.0 * done - self._bar.n)
            return
        now_s = time.monotonic()
        if now_s - self._said_s < LOG_EVERY_S and done < 1.0:
            return
        self._said_s = now_s
        left_s = (now_s - self._begin_s) * (1.0 - done) / max(done - self._begun, 1e-9)
        left = tqdm.format_interval(left_s)
        line = f"{100 * done:3.0f} %, step {step}, loss {loss:.4f}, {left} left"
        print(line, file=sys.stderr, flush=True)
