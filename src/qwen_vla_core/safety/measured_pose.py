"""Where the robot is, from samples that it could have reached and that agree with each other.

A measurement may be wrong: a second publisher, a register read in the middle of a write, a driver
that restarts. One wrong sample must neither move a robot nor start one at the wrong place.
"""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

SPEED_MARGIN = 2.0
"""A joint may be measured at up to this many times its speed limit: the limit is ours and half of
what the servos can do (embodiments/*.yaml)."""

JITTER_S = 0.05
"""Two samples may arrive this much closer together than they were measured, s: five periods of
the 100 Hz at which xs_sdk publishes."""

AGREEING = 3
"""Samples in a row that have to agree before a pose is accepted, to start from or to accept a
stream again that had been silent."""

AGREE_S = 0.01
"""Samples agree if they differ by no more than a joint covers in this time at its speed limit, s:
0.016 rad at 1.57 rad/s, ten steps of an encoder and a tenth of any motion worth the name."""

NOTICED = 2.0
"""How many times its longest silence has to pass until everybody has noticed a lost stream."""

RECENT_S = 0.5
"""Samples older than this say nothing about where the robot stands now, s."""


class MeasuredPose:
    """The measured positions of one robot, stream by stream. Not thread-safe."""

    def __init__(
        self,
        names: Sequence[str],
        velocity_D: np.ndarray,
        rows: Mapping[str, Sequence[int]],
        timeout_s: float,
    ) -> None:
        """Start with nothing measured.

        Args:
            names: joint names, D of them.
            velocity_D: speed limits, float64 [D], rad/s or m/s, > 0.
            rows: topic -> the joints that it carries, as indices of ``names``.
            timeout_s: silence after which a stream counts as lost, s; only then can one begin
                again somewhere else.
        """
        self._names, self._velocity_D = tuple(names), np.asarray(velocity_D)
        self._rows = {topic: list(of_topic) for topic, of_topic in rows.items()}
        self._timeout_s = timeout_s
        self.clear()

    def clear(self) -> None:
        """Forget everything: the robot may have been moved by other means."""
        self.positions_D = np.zeros(len(self._names))
        self._unmeasured = set(self._rows)
        self._samples = {topic: deque[tuple[float, np.ndarray]]() for topic in self._rows}
        self._doubtful = {topic: deque(maxlen=AGREEING) for topic in self._rows}
        self._refused_s = dict.fromkeys(self._rows, -np.inf)

    @property
    def complete(self) -> bool:
        """Whether every stream has been measured."""
        return not self._unmeasured

    def add(self, topic: str, positions: np.ndarray, steady_s: float) -> str:
        """Take a sample, or refuse it.

        Args:
            topic: the stream it came from.
            positions: of the stream's joints, finite, rad or m.
            steady_s: time of receipt, steady clock, s.
        Returns:
            "" when it was taken, else what is wrong with it, in words.
        """
        rows, samples = self._rows[topic], self._samples[topic]
        if samples:
            since_s, last = samples[-1]
            beyond = self._beyond(rows, np.abs(positions - last), steady_s - since_s)
            if beyond and not self._begins_again(topic, positions, steady_s, since_s):
                self._refused_s[topic] = steady_s
                return beyond
            if beyond:
                samples.clear()
                self._refused_s[topic] = -np.inf
        self._doubtful[topic].clear()
        while samples and samples[0][0] < steady_s - RECENT_S:
            samples.popleft()
        samples.append((steady_s, np.array(positions, dtype=np.float64)))
        self.positions_D = self.positions_D.copy()
        self.positions_D[rows] = positions
        self._unmeasured.discard(topic)
        return ""

    def unsteady(self, steady_s: float, for_s: float = 0.0) -> str:
        """Why the pose is not to be relied on, or "".

        Args:
            steady_s: now, steady clock, s.
            for_s: how long at least the samples must have agreed, s; at most ``RECENT_S``; 0 for a
                pose to start from.
        """
        for topic, rows in self._rows.items():
            # That may be where the robot really is: two drivers take turns in saying otherwise.
            refused_s = steady_s - self._refused_s[topic]
            if self._doubtful[topic] or refused_s < (for_s or RECENT_S):
                return (
                    f"{topic}: a sample was too far from the one before to be accepted, "
                    f"{refused_s:.2f} s ago"
                )
            known = [sample for sample in self._samples[topic] if sample[0] >= steady_s - RECENT_S]
            window = [sample for sample in known if sample[0] >= steady_s - for_s]
            if len(window) < AGREEING:
                window = known[-AGREEING:]
            if len(window) < AGREEING or window[0][0] > steady_s - for_s + JITTER_S:
                return f"{topic}: too few samples to be sure where the robot is"
            spread = np.ptp([position for _, position in window], axis=0)
            apart = np.flatnonzero(~(spread <= self._velocity_D[rows] * AGREE_S))
            if len(apart):
                where = ", ".join(f"{self._names[rows[i]]} by {spread[i]:.3f}" for i in apart)
                return f"{topic}: the measured pose is not steady, it changed {where}"
        return ""

    def _beyond(self, rows: list[int], moved: np.ndarray, dt_s: float) -> str:
        reach = self._velocity_D[rows] * (SPEED_MARGIN * max(dt_s, 0.0) + JITTER_S)
        far = np.flatnonzero(~(moved <= reach))
        return ", ".join(
            f"{self._names[rows[i]]} moved {moved[i]:.3f} within {max(dt_s, 0.0):.3f} s, "
            f"it can move {reach[i]:.3f}"
            for i in far
        )

    def _begins_again(
        self, topic: str, positions: np.ndarray, steady_s: float, since_s: float
    ) -> bool:
        """Whether refused samples agree for long enough, after a silence that everyone noticed."""
        doubtful = self._doubtful[topic]
        doubtful.append(np.array(positions, dtype=np.float64))
        if steady_s - since_s <= NOTICED * self._timeout_s or len(doubtful) < AGREEING:
            return False
        limit = self._velocity_D[self._rows[topic]] * AGREE_S
        return bool((np.ptp(list(doubtful), axis=0) <= limit).all())
