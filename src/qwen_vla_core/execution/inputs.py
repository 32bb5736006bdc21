"""What a control loop received, and whether it may be used: complete, young, possible.

Steady time drives the watchdogs, ROS time samples the chunk. What is decided from it stands in
control_loop.py.
"""

from collections.abc import Sequence

import numpy as np

from ..embodiment import Embodiment
from ..embodiment.streams import joint_streams, measured_topics
from ..safety import MeasuredPose, Watchdog
from ..types import ActionChunk
from .clock_watch import ClockWatch
from .timeline import ChunkVerdict, Offer, Sample, Timeline

TELEOP, POLICY = "teleop", "policy"

ROUNDING_S = 1e-6
"""ROS time as a float64 is that exact: an age may exceed its bound by rounding, s."""


class Inputs:
    """Everything that one control loop received.

    Attributes:
        pose: where the robot is.
        teleop: a person's last target; None before the first.
        pressed: the sources, in words, whose emergency stop is pressed.
        heartbeats: the emergency-stop topics whose silence is a press.
        clock_problem: what is wrong with ROS time, in words, or "".
    """

    def __init__(self, embodiment: Embodiment, estop_topics: Sequence[str]) -> None:
        """Start with nothing received.

        Args:
            embodiment: the robot.
            estop_topics: each is a press when it is silent for ``watchdogs.estop_heartbeat_s``,
                where the embodiment has one.
        """
        watchdogs, base = embodiment.watchdogs, embodiment.base
        self._rows = {stream.topic: list(stream.rows) for stream in joint_streams(embodiment)}
        self._odometry_topic = None if base is None else base.driver.odometry_topic
        self._odometry_received = base is None
        self._observation_s = watchdogs.observation_s
        self._observed_steady_s = -np.inf
        self.measured_topics = measured_topics(embodiment)
        self.heartbeats = () if watchdogs.estop_heartbeat_s is None else tuple(estop_topics)
        self.pose = MeasuredPose(
            embodiment.joint_names,
            np.array([joint.velocity for joint in embodiment.joints]),
            self._rows,
            watchdogs.joint_states_s or np.inf,
        )
        self._watchdog = Watchdog(
            dict.fromkeys(self._rows, watchdogs.joint_states_s)
            | ({} if base is None else {self._odometry_topic: watchdogs.odometry_s})
            | {TELEOP: watchdogs.teleop_s, POLICY: watchdogs.policy_s}
            | dict.fromkeys(self.heartbeats, watchdogs.estop_heartbeat_s)
        )
        base_D = np.array(embodiment.base_D)
        self._timeline = Timeline(
            embodiment.joint_names,
            step_s=embodiment.action_step_s,
            points=embodiment.horizon + 1,
            jump_limit=np.where(base_D, np.inf, embodiment.jump_limit),
            base=None if base is None else embodiment.group_slice(base.name),
            # The limits of a base say how far one chunk may lead.
            reach_D=(
                np.where(base_D, [joint.lower for joint in embodiment.joints], -np.inf),
                np.where(base_D, [joint.upper for joint in embodiment.joints], np.inf),
            ),
        )
        self._clocks, self.clock_problem = ClockWatch(), ""
        self.teleop: Sample | None = None
        self.pressed: set[str] = set()

    @property
    def measured_D(self) -> np.ndarray | None:
        """Measured positions [D], those of a base 0; None until every topic was received."""
        return self.pose.positions_D if self.pose.complete and self._odometry_received else None

    def fresh(self, rows: slice, steady_s: float) -> bool:
        """Whether the measured positions of these joints are young enough to act on."""
        lost = self.expired(steady_s)
        joints = set(range(len(self.pose.positions_D))[rows])
        return not any(joints & set(of) for topic, of in self._rows.items() if topic in lost)

    def on_joints(self, positions: np.ndarray, steady_s: float, topic: str | None = None) -> str:
        """Measured positions, finite, arrived.

        Args:
            positions: those of the topic, in the order of ``joint_streams``; all [D] of them
                where there is no topic, for a robot that is not reached through ROS.
            steady_s: steady time, s.
            topic: which of ``measured_topics`` they came from.
        Returns:
            "" when they were taken; else why they cannot be true. Such samples are dropped, as if
            none had been received.
        """
        topics = self._rows if topic is None else (topic,)
        refusals = []
        for of in topics:
            refusal = self.pose.add(
                of, positions[self._rows[of]] if topic is None else positions, steady_s
            )
            if refusal:
                refusals.append(f"{of}: {refusal}")
            else:
                self._watchdog.feed(of, steady_s)
        if topic is None and self._odometry_topic is not None:
            self.on_odometry(steady_s)
        return "; ".join(refusals)

    def on_odometry(self, steady_s: float) -> None:
        """The base is alive. Where it is does not matter: its joints are displacements."""
        self._odometry_received = True
        self._watchdog.feed(self._odometry_topic, steady_s)

    def on_chunk(
        self, chunk: ActionChunk, ros_s: float, steady_s: float, command_D: np.ndarray | None
    ) -> Offer:
        """A chunk arrived; it is used or refused whole.

        Args:
            chunk: the chunk. ros_s: ROS time, s. steady_s: steady time, s.
            command_D: the command in force, float64 [D]; None while nothing is commanded.
        """
        if self.measured_D is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nothing is measured yet")
        self._watchdog.feed(POLICY, steady_s)
        if command_D is None:
            return Offer(verdict=ChunkVerdict.BEFORE_MODE, reason="nobody has engaged yet")
        offer = self._timeline.offer(chunk, now_s=ros_s, command_D=command_D)
        if offer.verdict is ChunkVerdict.ACCEPTED:
            self._observed_steady_s = steady_s - max(ros_s - chunk.stamp_s, 0.0)
        return offer

    def on_teleop(self, target: Sample, steady_s: float) -> None:
        """A person's target, finite, arrived."""
        self.teleop = target
        self._watchdog.feed(TELEOP, steady_s)

    def on_estop_heartbeat(self, topic: str, steady_s: float) -> None:
        """An emergency-stop topic is alive, whatever it says."""
        if topic in self.heartbeats:
            self._watchdog.feed(topic, steady_s)

    def planned(self, ros_s: float, steady_s: float) -> Sample | None:
        """What the policy wants now; None if it has no plan, or none that is young enough."""
        # The age on both clocks: one of them may be wrong.
        age_s = max(steady_s - self._observed_steady_s, ros_s - self._timeline.observed_s)
        sample = self._timeline.sample(ros_s)
        return sample if age_s <= self._observation_s + ROUNDING_S else None

    @property
    def awaits_plan(self) -> bool:
        """Whether no chunk was accepted since the plan was last forgotten: since a mode began."""
        return self._timeline.observed_s == -np.inf

    def forget_plan(self, valid_from_s: float) -> None:
        """Drop the chunk, and refuse those observed before this ROS time, s."""
        self._timeline.clear(valid_from_s=valid_from_s)

    def check_clocks(self, ros_s: float, steady_s: float) -> str:
        """Once per control period: what is wrong with ROS time now, in words, or ""."""
        self.clock_problem = self._clocks.update(ros_s, steady_s)
        return self.clock_problem

    def expired(self, steady_s: float) -> dict[str, str]:
        """What has been silent for too long: TELEOP, POLICY or a topic, and how long in words."""
        return {expired.name: str(expired) for expired in self._watchdog.expired(steady_s)}

    def silent(self, steady_s: float, source: str | None = None) -> tuple[str, ...]:
        """In words, which topics that the robot needs have been silent for too long.

        Args:
            steady_s: steady time, s.
            source: TELEOP or POLICY, where that is needed as well.
        """
        needed = (*self.measured_topics, *self.heartbeats, source)
        expired = self.expired(steady_s)
        if not self._odometry_received:  # since ``clear``, whatever was before
            expired.setdefault(self._odometry_topic, f"{self._odometry_topic}: nothing received")
        return tuple(words for name, words in expired.items() if name in needed)

    def clear(self) -> None:
        """Nobody looked for a while: the robot may be elsewhere, a clock may have been set."""
        self.pose.clear()
        self._clocks.clear()
        self._odometry_received = self._odometry_topic is None
