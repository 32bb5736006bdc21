"""One thread that runs the policies, and a queue in front of it that batches what waits.

Nothing waits for a batch to fill: when the policy is free it takes the request with the earliest
deadline, and with it whatever else waits and fits. What came too late is answered with that.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from qwen_vla_core.embodiment import EmbodimentCodec
from qwen_vla_core.errors import QwenVlaError, RemoteError
from qwen_vla_core.execution import Prefix
from qwen_vla_core.policy import Policy
from qwen_vla_core.types import Observation

from .messages import Request
from .metrics import Metrics

MOST_AT_ONCE = 8
"""Requests in a batch. With pi0 on an H200 a batch of 8 took 94 ms and a single one 25 ms."""


class BatchPolicy(Policy, Protocol):
    """A policy that answers several robots of one kind in one pass."""

    def infer_batch(
        self, observations: Sequence[Observation], prefixes: Sequence[Prefix | None]
    ) -> Sequence[np.ndarray]:
        """As ``infer`` for each; all have the same cameras and prefixes of the same shape."""


class DeadlineError(RemoteError):
    """The answer would come too late to be of use."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A robot that a server has a policy for."""

    policy: Policy
    codec: EmbodimentCodec


@dataclass(eq=False)
class _Job:
    """A request on its way; ordered by deadline."""

    request: Request
    arrived_s: float
    number: int
    answer: asyncio.Future = field(repr=False)

    @property
    def end_s(self) -> float:
        return self.arrived_s + self.request.deadline_s

    @property
    def kind(self) -> tuple:
        """Requests of one kind can be answered in one pass."""
        seen, prefix = self.request.observation, self.request.prefix
        images = [(name, i.shape) for name, i in sorted(seen.images.items())]
        images += [(name, len(many)) for name, many in sorted(seen.history.items())]
        continued = prefix and (prefix.actions_NC.shape, prefix.committed)
        return self.request.robot, tuple(images), continued


class Engine:
    """Answers requests one pass after the other. Everything but ``_work`` is in asyncio's thread.

    Attributes:
        busy_since_s: steady time at which the pass in progress began; None between passes.
    """

    def __init__(self, served: Mapping[str, Served], metrics: Metrics) -> None:
        self._served, self._metrics = served, metrics
        self._waiting: list[_Job] = []
        self._numbers = itertools.count()
        self._passes: SimpleQueue[tuple[list[_Job], Callable] | None] = SimpleQueue()
        self.busy_since_s: float | None = None
        # A daemon: a pass that hangs does not keep the process from ending.
        threading.Thread(target=self._work, name="inference", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def close(self) -> None:
        """End the thread after the pass in progress."""
        self._passes.put(None)

    async def ask(self, request: Request) -> np.ndarray:
        """The answer: actions [H, C], or joint targets [H, D] in rad and m.

        Cancelling it takes the request out of the queue.

        Raises:
            DeadlineError: there is none in time.
            QwenVlaError: the policy refuses the request, or fails.
        """
        loop = asyncio.get_running_loop()
        job = _Job(request, time.monotonic(), next(self._numbers), loop.create_future())
        self._waiting.append(job)
        self._start()
        try:
            return await asyncio.wait_for(job.answer, request.deadline_s)
        except asyncio.TimeoutError:
            self._metrics.missed_deadlines += 1
            raise DeadlineError(
                f"no answer within its deadline of {request.deadline_s:g} s: too many requests, "
                "or the policy is too slow"
            ) from None
        finally:
            if job in self._waiting:
                self._waiting.remove(job)

    def _start(self) -> None:
        """Begin the next pass, if none is in progress and somebody waits."""
        if self.busy_since_s is not None:
            return
        now_s = time.monotonic()
        self._waiting = [job for job in self._waiting if not job.answer.done()]
        self._waiting.sort(key=lambda job: (job.end_s, job.number))
        first = next((job for job in self._waiting if job.end_s > now_s), None)
        if first is None:
            return  # those whose deadline has passed are answered by their own timers
        jobs = [first]
        if hasattr(self._served[first.request.robot].policy, "infer_batch"):
            jobs = [j for j in self._waiting if j.end_s > now_s and j.kind == first.kind]
        jobs = jobs[:MOST_AT_ONCE]
        self._waiting = [job for job in self._waiting if job not in jobs]
        for job in jobs:
            self._metrics.queue_age_s.add(now_s - job.arrived_s)
        self._metrics.batch_size.add(len(jobs))
        self.busy_since_s = now_s
        loop = asyncio.get_running_loop()
        self._passes.put(
            (jobs, lambda results: loop.call_soon_threadsafe(self._end, jobs, results))
        )

    def _end(self, jobs: list[_Job], results: list[np.ndarray | QwenVlaError]) -> None:
        self.busy_since_s = None
        for job, result in zip(jobs, results, strict=True):
            if job.answer.done():  # given up by its client or its deadline
                continue
            if isinstance(result, QwenVlaError):
                self._metrics.failures += 1
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)
        self._start()

    def _work(self) -> None:
        """The inference thread."""
        while (work := self._passes.get()) is not None:
            jobs, done = work
            requests = [job.request for job in jobs]
            results = self._batch(requests) if len(jobs) > 1 else None
            done(results or [self._single(request) for request in requests])

    def _batch(self, requests: list[Request]) -> list[np.ndarray] | None:
        """All in one pass; None where that fails, so that one bad request costs only itself."""
        served = self._served[requests[0].robot]
        try:
            chunks = served.policy.infer_batch(
                [request.observation for request in requests], [r.prefix for r in requests]
            )
            return [_finish(served, r, c) for r, c in zip(requests, chunks, strict=True)]
        except Exception:
            return None

    def _single(self, request: Request) -> np.ndarray | QwenVlaError:
        served = self._served[request.robot]
        try:
            chunk = served.policy.infer(request.observation, request.prefix)
            return _finish(served, request, chunk)
        except QwenVlaError as error:
            return error
        except Exception as error:  # whatever the policy raises, the server goes on
            return RemoteError(f"the policy failed: {error!r}")


def _finish(served: Served, request: Request, actions_HC: np.ndarray) -> np.ndarray:
    if not np.isfinite(actions_HC).all():
        raise RemoteError("the policy's actions hold NaN or infinity")
    if request.normalised:
        return np.asarray(actions_HC, np.float32)
    seen = request.observation
    chunk = served.codec.decode(actions_HC, seen.commanded_D, seen.stamp_s)
    return chunk.positions_TD[1:].astype(np.float32)
