"""One episode: a policy's chunks or the expert's actions, until the benchmark ends it.

A chunk is asked for while the simulation stands still (blocking, as the benchmarks' authors do).
With a latency the simulation goes on meanwhile: for that many steps it plays what is left of the
chunk before.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .environment import Environment
from .openpi import OpenpiPolicy

RECORDED_HZ = 10.0
"""Largest number of steps recorded in a second: neighbours at 50 Hz are all alike."""
FILM_HZ = 10.0
SMALLEST_PX = 224
"""Views of a film and a recording are reduced by whole factors to no less than that."""
_GUST_STEPS = 15
"""A disturbance goes on for that many steps; every second one is none."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked of a client: one episode.

    Attributes:
        task, state: as for ``Environment.reset``.
        execute: steps of a chunk that are carried out before the next one is asked for.
        latency_s: how late a chunk is; None for its real latency, 0 for a blocking policy.
        film: where a film goes, with {} for the outcome; None for none.
        record: where the expert's episode goes; None with a policy.
        disturbed: whether the expert is disturbed meanwhile.
    """

    task: str
    state: int
    execute: int
    latency_s: float | None = 0.0
    film: str | None = None
    record: str | None = None
    disturbed: bool = False


def carry_out(environment: Environment, policy: OpenpiPolicy | None, job: Job) -> dict:
    """Run it; the outcome in JSON's types. Without a policy the expert acts."""
    begin_s = time.monotonic()
    instruction = environment.reset(job.task, job.state)
    player = _Expert(environment, job) if policy is None else _Chunks(environment, policy, job)
    frames, steps, outcome = [], 0, None
    film_every = max(1, round(environment.hz / FILM_HZ))
    while outcome is None or not outcome.ended:
        action, images = player.next()
        if images and job.film and (policy is not None or steps % film_every == 0):
            frames.append(np.concatenate([_smaller(i) for i in images.values()], axis=1))
        outcome = environment.step(action)
        steps += 1
    if job.film and frames:
        _write_film(Path(job.film.format("success" if outcome.success else "failure")), frames)
    return {
        "task": job.task,
        "state": job.state,
        "instruction": instruction,
        "success": outcome.success,
        "steps": steps,
        "wall_s": round(time.monotonic() - begin_s, 2),
        **player.end(outcome.success),
    }


class _Chunks:
    """A policy's actions, chunk by chunk."""

    def __init__(self, environment: Environment, policy: OpenpiPolicy, job: Job) -> None:
        self._environment, self._policy, self._job = environment, policy, job
        self._plan: list[np.ndarray] = []
        self._done = 0
        policy.infer_s.clear()

    def next(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The next action, and images where they were looked at."""
        images = {}
        if not self._plan or self._done >= self._job.execute:
            images = self._environment.picture()
            metadata = self._policy.metadata
            answer = self._policy.infer(self._environment.request(images, metadata))
            chunk = list(self._environment.actions(answer, metadata))
            if not np.isfinite(chunk).all():
                raise RuntimeError("the policy's actions are not finite")
            late_s = self._job.latency_s
            late_s = self._policy.infer_s[-1] if late_s is None else late_s
            # The first chunk is waited for; a later one replaces what is played when it is there.
            late = int(np.ceil(late_s * self._environment.hz - 1e-9)) if self._plan else 0
            late = min(late, len(self._plan), len(chunk) - 1)
            self._plan, self._done = self._plan[:late] + chunk[late:], 0
        self._done += 1
        return self._plan.pop(0), images

    def end(self, success: bool) -> dict:
        """What the episode's result holds of the policy."""
        return {
            "chunks": len(self._policy.infer_s),
            "infer_ms": round(float(np.median(self._policy.infer_s)) * 1e3, 1),
        }


class _Expert:
    """The expert's actions, and what is recorded of them."""

    def __init__(self, environment: Environment, job: Job) -> None:
        self._environment, self._job = environment, job
        self._stride = max(1, round(environment.hz / RECORDED_HZ))
        self._rows: list[dict[str, np.ndarray]] = []
        self._images: list[dict[str, np.ndarray]] = []
        self._random = np.random.default_rng(job.state)

    def next(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The next action, and images where they are recorded."""
        step, images = len(self._rows), {}
        if (self._job.record or self._job.film) and step % self._stride == 0:
            images = self._environment.picture()
            self._images.append({name: _smaller(image) for name, image in images.items()})
        action = self._environment.expert()
        self._rows.append(self._environment.row(action))
        if self._job.disturbed:
            if step % (2 * _GUST_STEPS) == 0:
                self._by = self._random.uniform(-1.0, 1.0, len(action))
            if step // _GUST_STEPS % 2 == 0:
                action = self._environment.disturb(action, self._by)
        return action, images

    def end(self, success: bool) -> dict:
        """Write what was recorded."""
        if self._job.record:
            columns = {name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}
            for name in self._images[0]:
                columns[f"image/{name}"] = np.stack([images[name] for images in self._images])
            np.savez(self._job.record, stride=self._stride, success=success, **columns)
        return {}


def _smaller(image: np.ndarray) -> np.ndarray:
    """Reduced by a whole factor, each pixel the mean of those that it covers."""
    k = max(1, min(image.shape[:2]) // SMALLEST_PX)
    height, width = (side // k * k for side in image.shape[:2])
    blocks = image[:height, :width].reshape(height // k, k, width // k, k, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def _write_film(path: Path, frames: list[np.ndarray]) -> None:
    import imageio

    path.parent.mkdir(parents=True, exist_ok=True)
    frames += [frames[-1]] * round(FILM_HZ / 2)
    imageio.mimwrite(path, frames, fps=FILM_HZ, codec="libx264", macro_block_size=8)
