"""The latest sample of one stream, and whether it can still be trusted."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

FUTURE_TOLERANCE_S = 0.05
"""Stamps farther ahead than this are refused, s: clocks of two computers kept by NTP agree far
better."""

SINCE_BOOT_S = 1e9
"""ROS time above this is the time of day (September 2001). A stamp below it is then none, but the
time since a microcontroller was switched on, or a simulator's."""

SYNCHRONISE = (
    "synchronise the clocks of the computers (chrony), or let the driver stamp with the time of "
    "its computer"
)
"""What to do about stamps of another clock."""


@dataclass(frozen=True, kw_only=True)
class Instant:
    """Now, on both clocks, s. Headers are judged by ROS time, silence by the steady clock."""

    ros_s: float
    steady_s: float


class SampleVerdict(Enum):
    """What became of a sample."""

    ACCEPTED = "accepted"
    UNSTAMPED = "unstamped"  # accepted with the time of receipt; reported once per stream
    REPEATED = "repeated"  # stamp not newer than the last one; sample dropped
    FUTURE = "future"
    MALFORMED = "malformed"
    NOT_OURS = "not ours"  # another publisher's on the same topic: none of the robot's joints


@dataclass(frozen=True, kw_only=True)
class SampleReport:
    """The verdict on a sample, and the reason in words when there is something to say."""

    verdict: SampleVerdict
    reason: str = ""


class Fault(Enum):
    """Why there is no observation."""

    MISSING = "missing"
    OLD = "old"
    FROZEN = "frozen"
    SKEWED = "skewed"
    NO_COMMAND = "no command"
    TIME_WENT_BACK = "time went back"


@dataclass(frozen=True, kw_only=True)
class StreamFault:
    """One thing that is wrong with one stream."""

    stream: str
    fault: Fault
    detail: str

    def __str__(self) -> str:
        return f"{self.stream}: {self.detail}"


@dataclass(frozen=True, kw_only=True)
class _Sample:
    data: Any
    header_s: float
    stamp_s: float
    received_s: float
    same_since_s: float


class Stream:
    """Keeps the latest sample of a camera or of joint states. Not thread-safe."""

    def __init__(
        self, *, name: str, max_age_s: float, frozen_after_s: float | None = None
    ) -> None:
        """Start with nothing received.

        Args:
            name: what to call it when it is at fault.
            max_age_s: oldest usable sample, s, > 0 and finite.
            frozen_after_s: rising stamps with identical data for longer than this are a frozen
                camera, s; None does not look (simulation, joint states: both may stand still).
        Raises:
            ValueError: a time is not positive or not finite.
        """
        for limit_s in (max_age_s, 1.0 if frozen_after_s is None else frozen_after_s):
            if not 0.0 < limit_s < math.inf:
                raise ValueError(f"{name}: a limit of {limit_s} s must be positive and finite")
        self.name = name
        self._max_age_s = max_age_s
        self._frozen_after_s = frozen_after_s
        self._latest: _Sample | None = None
        self._reported_unstamped = False

    def add(self, data: Any, *, stamp_s: float, now: Instant) -> SampleReport:
        """Keep a sample if its stamp is plausible.

        Args:
            data: an array the caller will not write to again.
            stamp_s: header stamp, ROS time, s; the time of receipt stands for one of 0 and for
                one that counts from when a device was switched on.
            now: the time of receipt.
        """
        verdict, reason = SampleVerdict.ACCEPTED, ""
        last, header_s = self._latest, stamp_s
        since_boot = 0.0 < stamp_s < SINCE_BOOT_S < now.ros_s
        if stamp_s == 0.0 or since_boot:
            stamp_s = now.ros_s
            if not self._reported_unstamped:
                cause = "stamps are not the time of day" if since_boot else "no stamps"
                verdict, reason = SampleVerdict.UNSTAMPED, f"{self.name}: {cause}, using receipt"
                self._reported_unstamped = True
        if not stamp_s <= now.ros_s + FUTURE_TOLERANCE_S:
            reason = (
                f"{self.name}: stamped {stamp_s - now.ros_s:.3f} s in the future; {SYNCHRONISE}"
            )
            return SampleReport(verdict=SampleVerdict.FUTURE, reason=reason)
        repeated = since_boot and last is not None and header_s == last.header_s
        if last is not None and (stamp_s <= last.stamp_s or repeated):
            reason = f"{self.name}: stamp {header_s:.6f} s does not rise"
            return SampleReport(verdict=SampleVerdict.REPEATED, reason=reason)
        same = (
            self._frozen_after_s is not None
            and last is not None
            and np.array_equal(data, last.data)
        )
        self._latest = _Sample(
            data=data,
            header_s=header_s,
            stamp_s=stamp_s,
            received_s=now.steady_s,
            same_since_s=last.same_since_s if same else now.steady_s,
        )
        return SampleReport(verdict=verdict, reason=reason)

    def fault(self, now: Instant) -> StreamFault | None:
        """What is wrong with the stream right now, or None."""
        age_s = self.age_s(now)
        if self._latest is None:
            detail = f"nothing received yet, limit {self._max_age_s:.3f} s"
            return self._at_fault(Fault.MISSING, detail)
        if not age_s <= self._max_age_s:
            detail = f"{age_s:.3f} s old, limit {self._max_age_s:.3f} s"
            received_s = now.steady_s - self._latest.received_s
            if received_s <= self._max_age_s:
                detail += f"; received {received_s:.3f} s ago: if it was not late, {SYNCHRONISE}"
            return self._at_fault(Fault.OLD, detail)
        same_s = self._latest.received_s - self._latest.same_since_s
        if self._frozen_after_s is not None and same_s > self._frozen_after_s:
            detail = f"same image for {same_s:.3f} s, limit {self._frozen_after_s:.3f} s"
            return self._at_fault(Fault.FROZEN, detail)
        return None

    def age_s(self, now: Instant) -> float:
        """The larger of the ages by receipt and by header, s; inf when nothing was received."""
        if self._latest is None:
            return math.inf
        return max(now.steady_s - self._latest.received_s, now.ros_s - self._latest.stamp_s)

    @property
    def data(self) -> Any:
        """The latest sample; only where ``fault`` returned None."""
        return self._latest.data

    @property
    def stamp_s(self) -> float:
        """ROS time of the latest sample, s; only where ``fault`` returned None."""
        return self._latest.stamp_s

    def clear(self) -> None:
        """Forget the sample, so that any stamp is new again."""
        self._latest = None

    def _at_fault(self, fault: Fault, detail: str) -> StreamFault:
        return StreamFault(stream=self.name, fault=fault, detail=detail)
