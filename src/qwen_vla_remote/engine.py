"""One thread that runs the policies, and a queue in front of it that batches what waits.

When the policy is free it takes the request with the earliest deadline, and with it whatever else
waits and fits. What came too late is answered with that, and what would come too late at once.

Nothing waits for a batch to fill, with one exception. Robots that ask again as soon as they have
an answer (more of them than the policy keeps up with) fall into two groups that wait for each
other's passes, each at twice the time of one. So who came back at once the last time is waited
for, for less than a pass.
"""

import asyncio
import itertools
import math
import threading
import time
from collections import deque
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
from .stock_units import to_stock

MOST_AT_ONCE = 8
"""Requests in a batch. With pi0 on an H200 a batch of 8 took 94 ms and a single one 25 ms."""
PASSES = 5
"""The median of this many last passes of a robot is the estimate for the next one."""
EXPECTED_PASSES = 0.75
"""Share of a pass: a client that last came back within it is waited for that long again.
Two groups that wait for each other lose a whole pass."""


class BatchPolicy(Policy, Protocol):
    """A policy that answers several robots of one kind in one pass."""

    def infer_batch(
        self, observations: Sequence[Observation], prefixes: Sequence[Prefix | None]
    ) -> Sequence[np.ndarray]:
        """As ``infer`` for each; all have the same cameras and prefixes of the same shape."""


class DeadlineError(RemoteError):
    """The answer would come too late to be of use."""


class BusyError(RemoteError):
    """Too many wait already: the answer would come too late."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A robot that a server has a policy for."""

    policy: Policy
    codec: EmbodimentCodec


@dataclass(eq=False)
class Client:
    """One connection, as far as the queue is concerned.

    Attributes:
        answered_s: steady time of its last answer.
        pause_s: how long it took from there to its next request, the last time.
        kind: of its last request.
    """

    answered_s: float = -math.inf
    pause_s: float = math.inf
    kind: tuple = ()


@dataclass(eq=False)
class _Job:
    """A request on its way; ordered by deadline."""

    request: Request
    client: Client
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
        self._took_s = {name: deque(maxlen=PASSES) for name in served}
        self._expected: set[Client] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = itertools.count()
        self._passes: SimpleQueue[tuple[list[_Job], Callable] | None] = SimpleQueue()
        self.busy_since_s: float | None = None
        # A daemon: a pass that hangs does not keep the process from ending.
        threading.Thread(target=self._work, name="inference", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """How long the oldest of them has waited; 0 where there is none."""
        now_s = time.monotonic()
        return now_s - min((job.arrived_s for job in self._waiting), default=now_s)

    def close(self) -> None:
        """End the thread after the pass in progress."""
        if self._timer is not None:
            self._timer.cancel()
        self._passes.put(None)

    async def ask(self, request: Request, client: Client) -> np.ndarray:
        """The answer: actions [H, C], or joint targets [H, D] in openpi's units.

        Cancelling it takes the request out of the queue.

        Args:
            client: whose request it is; each has one at a time.
        Raises:
            BusyError: refused at once, because it would come too late.
            DeadlineError: there is none in time.
            QwenVlaError: the policy refuses the request, or fails.
        """
        loop, now_s = asyncio.get_running_loop(), time.monotonic()
        job = _Job(request, client, now_s, next(self._numbers), loop.create_future())
        client.pause_s, client.kind = now_s - client.answered_s, job.kind
        self._expected.discard(client)
        self._check_capacity(job)
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

    def _batches(self, robot: str) -> bool:
        return hasattr(self._served[robot].policy, "infer_batch")

    def _pass_s(self, robot: str) -> float:
        """How long a pass takes; 0 before the first."""
        took_s = sorted(self._took_s[robot])
        return took_s[len(took_s) // 2] if took_s else 0.0

    def _check_capacity(self, job: _Job) -> None:
        """Refuse what could only come too late. Where nothing is in front the policy is tried."""
        if self.busy_since_s is None and not self._waiting:
            return
        robot, deadline_s = job.request.robot, job.request.deadline_s
        pass_s = self._pass_s(robot)
        at_once = MOST_AT_ONCE if self._batches(robot) else 1
        ahead = sum(other.end_s <= job.end_s for other in self._waiting)
        answer_s = pass_s * (ahead // at_once + 1)
        if self.busy_since_s is not None:
            answer_s += max(0.0, self.busy_since_s + pass_s - job.arrived_s)
        if answer_s > deadline_s:
            self._metrics.busy_refusals += 1
            raise BusyError(
                f"busy: {ahead} requests are in front and a pass takes {pass_s:.2g} s, so an "
                f"answer would take about {answer_s:.2g} s, longer than its deadline of "
                f"{deadline_s:g} s; ask fewer robots of this server, or less often"
            )

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
        if self._batches(first.request.robot):
            jobs = [j for j in self._waiting if j.end_s > now_s and j.kind == first.kind]
            if len(jobs) < MOST_AT_ONCE and self._others_come(first, now_s):
                return
        jobs = jobs[:MOST_AT_ONCE]
        self._waiting = [job for job in self._waiting if job not in jobs]
        self._expected.clear()
        for job in jobs:
            self._metrics.queue_age_s.add(now_s - job.arrived_s)
        self._metrics.batch_size.add(len(jobs))
        self.busy_since_s = now_s
        loop = asyncio.get_running_loop()
        self._passes.put(
            (jobs, lambda results: loop.call_soon_threadsafe(self._end, jobs, results))
        )

    def _others_come(self, first: _Job, now_s: float) -> bool:
        """Whether to wait for clients that will be back in a moment; if so, it is looked again."""
        pass_s = self._pass_s(first.request.robot)
        longest_s = EXPECTED_PASSES * pass_s
        if self._timer is not None:
            self._timer.cancel()
        until_s = max(
            (
                client.answered_s + longest_s
                for client in self._expected
                if client.kind == first.kind and client.pause_s <= longest_s
            ),
            default=now_s,
        )
        until_s = min(until_s, first.end_s - 2 * pass_s)
        if until_s <= now_s:
            return False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(until_s - now_s, self._start)
        return True

    def _end(self, jobs: list[_Job], results: list[np.ndarray | QwenVlaError]) -> None:
        now_s = time.monotonic()
        self._took_s[jobs[0].request.robot].append(now_s - self.busy_since_s)
        self.busy_since_s = None
        for job, result in zip(jobs, results, strict=True):
            if job.answer.done():  # given up by its client or its deadline
                continue
            if isinstance(result, QwenVlaError):
                self._metrics.failures += 1
                job.answer.set_exception(result)
            else:
                job.answer.set_result(result)
                job.client.answered_s = now_s
                self._expected.add(job.client)
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
    return to_stock(served.codec.embodiment, chunk.positions_TD[1:]).astype(np.float32)
