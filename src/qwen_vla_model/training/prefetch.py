"""Batches made in threads while the steps before them are learned."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[..., T], calls: Iterable[tuple], workers: int) -> Iterator[T]:
    """``make(*call)`` of each call, in order; ``workers`` of them are under way at any time.

    An exception of ``make`` comes where its result would have.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        jobs = (pool.submit(make, *call) for call in calls)
        ahead = deque(islice(jobs, workers))
        while ahead:
            first = ahead.popleft().result()
            ahead.extend(islice(jobs, 1))
            yield first
    finally:  # after Ctrl-C nobody waits for batches that nobody wants
        pool.shutdown(wait=False, cancel_futures=True)
