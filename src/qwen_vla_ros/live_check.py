"""Whether a running robot is the one that its embodiment describes; pure, from what was seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from qwen_vla_core.embodiment import Camera, Embodiment, EmbodimentCodec
from qwen_vla_core.embodiment.streams import JointStream, joint_streams
from qwen_vla_core.observation.stream import FUTURE_TOLERANCE_S
from qwen_vla_data.checks.images import BLACK, FLAT
from qwen_vla_data.view_statistics import ViewStatistics

from .finding import Finding, Level
from .status_board import ERROR as NODE_ERROR
from .status_board import OK as NODE_OK
from .status_board import NodeStatus
from .view_check import check_views

OUTSIDE = 0.02
"""Of a joint's range: so far outside its limits an encoder may be."""
TURN_RAD = 2.0 * np.pi
"""No joint of an arm is farther than this from zero: what is, is in degrees."""
LATENCY_SHARE = 0.5
"""Of a chunk: beyond that, one slow inference leaves the robot without a plan."""
OTHER_TIME_S = 1e6
"""A stamp of zero, or since a microcontroller was switched on: the time of receipt counts."""
TRAINED_SHARE = 0.8
"""Of the state's channels that should be within q01 to q99."""


@dataclass(frozen=True, kw_only=True)
class SeenStream:
    """What came on one topic.

    Attributes:
        topic: its full name.
        received_s: steady times of its messages.
        behind_s: how much later than its stamp each of them came, by this machine's ROS time.
        problem: why there is nothing of use, in words; empty otherwise.
        publishers: names of the nodes that publish it.
        alike: topics of the same type that are published and that the embodiment does not name.
    """

    topic: str
    received_s: Sequence[float] = ()
    behind_s: Sequence[float] = ()
    problem: str = ""
    publishers: Sequence[str] = ()
    alike: Sequence[str] = ()

    @property
    def rate_hz(self) -> float:
        """Mean rate; 0 for fewer than two messages."""
        if len(self.received_s) < 2:
            return 0.0
        return (len(self.received_s) - 1) / (self.received_s[-1] - self.received_s[0])

    @property
    def largest_gap_s(self) -> float:
        """The longest time without a message; inf for fewer than two."""
        return float(max(np.diff(self.received_s), default=np.inf))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a robot.

    Attributes:
        streams: by camera name, and by topic for joint states and odometry.
        images: by camera name, uint8 RGB [H, W, 3], in their order.
        positions: by topic, the last joint states by the driver's names, rad or m.
        statuses: what the robot's nodes say of themselves.
        ports_left: what killed processes left in this computer's shared memory.
        not_received: who does not receive what for another quality of service, in words.
    """

    streams: Mapping[str, SeenStream]
    images: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    positions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    statuses: Sequence[NodeStatus] = ()
    ports_left: int = 0
    not_received: Sequence[str] = ()


def check_live(
    robot: Embodiment,
    seen: Seen,
    file: str,
    trained: Mapping[str, ViewStatistics] | None = None,
    checkpoint: str = "",
) -> list[Finding]:
    """All that is right or wrong, in the order of the embodiment's file.

    Args:
        file: of the embodiment, to say what to change where.
        trained: by view tag, what the cameras showed in the training of the checkpoint.
    """
    findings = []
    for camera in robot.cameras:
        findings += _camera(robot, camera, seen, file)
    if trained:
        findings += check_views(robot.cameras, seen.images, trained, file, checkpoint)
    for stream in joint_streams(robot):
        findings += _joints(robot, stream, seen, file)
    if robot.base is not None:
        topic = robot.base.driver.odometry_topic
        key = "driver.odometry_topic"
        limit_s = robot.watchdogs.odometry_s
        findings.append(_stream(seen.streams[topic], topic, key, limit_s, "odometry_s", file))
    findings += _skew(robot, seen, file)
    findings += _state(robot, seen, file)
    findings += _latency(robot, seen.statuses)
    findings += [
        _error("quality of service", f"{one}; set both to the same where the two are started")
        for one in seen.not_received
    ]
    findings += _shared_memory(seen.ports_left)
    return findings + _nodes(seen.statuses, file)


def checkpoint_in(seen: Seen) -> Path | None:
    """The folder from which policy_node says to have its policy; None for a server's or none."""
    for status in seen.statuses:
        if status.name.endswith("/policy_node"):
            folder = Path(status.values.get("checkpoint", ""))
            return folder if (folder / "embodiments.json").is_file() else None
    return None


def _camera(robot: Embodiment, camera: Camera, seen: Seen, file: str) -> list[Finding]:
    about = f"camera {camera.name}"
    stream = seen.streams[camera.name]
    key = f"cameras.{camera.name}.topic"
    name = f"cameras.{camera.name}.max_age_s"
    first = _stream(stream, about, key, camera.max_age_s, name, file)
    images = seen.images.get(camera.name, ())
    if first.level == "error" and not images:
        if camera.optional:
            return [Finding(level="warning", about=about, text=f"{first.text} (it is optional)")]
        return [first]
    findings = [first]
    if images:
        height, width = images[-1].shape[:2]
        findings = [replace(first, text=f"{first.text}, {width} x {height}")]
        means, spreads = ([f(image) for image in images] for f in (np.mean, np.std))
        if max(means) < BLACK and max(spreads) < BLACK:
            findings.append(_error(about, "its images are black: lens cap, light, exposure"))
        elif max(spreads) < FLAT:
            findings.append(_error(about, "its images are of a single colour"))
        elif _is_real(robot, stream) and len(images) > 1 and _identical(images):
            findings.append(
                _error(about, "every image is the same to the last bit: restart its driver")
            )
        elif (width < height) != (camera.width < camera.height) and camera.width != camera.height:
            findings.append(
                Finding(
                    level="warning",
                    about=about,
                    text=f"its images are {width} x {height}, upright where {camera.width} x "
                    f"{camera.height} of {file} lies: is the camera turned by 90 degrees?",
                )
            )
        elif width < camera.width or height < camera.height:
            findings.append(
                Finding(
                    level="warning",
                    about=about,
                    text=f"its images are {width} x {height}, smaller than the {camera.width} x "
                    f"{camera.height} that the policy is shown ({file}): set its driver to more",
                )
            )
    return findings


def _is_real(robot: Embodiment, stream: SeenStream) -> bool:
    """Whether a camera's images have noise; a simulated scene that stands still repeats."""
    simulated = any(name.endswith("/sim_node") for name in stream.publishers)
    return robot.watchdogs.frozen_camera_s is not None and not simulated


def _identical(images: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(images[0], image) for image in images[1:])


def _joints(robot: Embodiment, stream: JointStream, seen: Seen, file: str) -> list[Finding]:
    limit_s = robot.watchdogs.joint_states_s
    one = seen.streams[stream.topic]
    first = _stream(
        one, stream.topic, "driver.joint_states_topic", limit_s, "joint_states_s", file
    )
    positions = seen.positions.get(stream.topic, {})
    findings = [first]
    for name, driver_name, row in zip(stream.names, stream.driver_names, stream.rows, strict=True):
        if not positions:
            break
        about, joint = f"joint {name}", robot.joints[row]
        if driver_name not in positions:
            findings.append(
                _error(
                    about,
                    f"{stream.topic} has no {driver_name}; it has {', '.join(positions)}: correct "
                    f"its driver_name in {file}",
                )
            )
            continue
        position = positions[driver_name]
        margin = OUTSIDE * (joint.upper - joint.lower)
        if joint.lower - margin <= position <= joint.upper + margin:
            continue
        turned = abs(joint.upper - joint.lower) > 1.0 and abs(position) > TURN_RAD
        hint = "is it in degrees?" if turned else "has it another sign or offset?"
        findings.append(
            _error(
                about,
                f"measured {position:.4g}, outside {joint.lower:.4g} to {joint.upper:.4g} of "
                f"{file}: {hint}",
            )
        )
    return findings


def _stream(
    stream: SeenStream, about: str, key: str, limit_s: float, limit_key: str, file: str
) -> Finding:
    if stream.problem or not stream.received_s:
        text = stream.problem or "nothing received"
        if not stream.publishers:
            text = f"nobody publishes {stream.topic}"
            if stream.alike:
                text += f"; published are {', '.join(stream.alike)}"
            text += f": start its driver, or correct {key} in {file}"
        return _error(about, text)
    said = f"{stream.rate_hz:.1f} Hz on {stream.topic}"
    if len(stream.publishers) > 1:
        return _error(about, f"{said}, from {' and '.join(stream.publishers)}: end all but one")
    if stream.largest_gap_s > limit_s:
        return _error(
            about,
            f"{said}, with a gap of {stream.largest_gap_s:.2f} s; {limit_key} in {file} allows "
            f"{limit_s:g} s",
        )
    if len(stream.behind_s):
        behind_s = float(np.median(stream.behind_s))
        if behind_s > OTHER_TIME_S:
            said += ", without a stamp of the time of day: the time of receipt counts"
        elif not -FUTURE_TOLERANCE_S <= behind_s <= limit_s:
            said += f", stamped {abs(behind_s):.3f} s {'before' if behind_s > 0 else 'after'}"
            return _error(
                about,
                f"{said} it is received ({limit_key} in {file}: {limit_s:g} s): set the clocks of "
                "both machines by chrony or NTP, or see what delays it",
            )
    return Finding(level="ok", about=about, text=said)


def _state(robot: Embodiment, seen: Seen, file: str) -> list[Finding]:
    """Whether the robot stands where it was trained to be."""
    positions_D = np.zeros(len(robot.joints))
    for stream in joint_streams(robot):
        known = seen.positions.get(stream.topic, {})
        if any(name not in known for name in stream.driver_names):
            return []
        positions_D[list(stream.rows)] = [known[name] for name in stream.driver_names]
    if not joint_streams(robot) or not np.isfinite(positions_D).all():
        return []
    codec = EmbodimentCodec(robot)
    state_S = codec.state(positions_D)
    within_S = (state_S >= codec.state_q01_S) & (state_S <= codec.state_q99_S)
    outside = [c for c, within in zip(robot.state_channels, within_S, strict=True) if not within]
    share = 1.0 - len(outside) / len(state_S)
    text = f"{share:.0%} of the state's channels are within q01 to q99 of {file}"
    if share >= TRAINED_SHARE:
        return [Finding(level="ok", about="state", text=text)]
    return [
        Finding(
            level="warning",
            about="state",
            text=f"{text}; outside: {', '.join(outside)}. Call control/go_to_start",
        )
    ]


def _skew(robot: Embodiment, seen: Seen, file: str) -> list[Finding]:
    """How far apart the newest images of all cameras were taken."""
    newest_s = {
        camera.name: seen.streams[camera.name].received_s[-1]
        - seen.streams[camera.name].behind_s[-1]
        for camera in robot.cameras
        if len(seen.streams[camera.name].received_s)
        and len(seen.streams[camera.name].behind_s)
        and seen.streams[camera.name].behind_s[-1] < OTHER_TIME_S
    }
    if len(newest_s) < 2:
        return []
    first, last = min(newest_s, key=newest_s.get), max(newest_s, key=newest_s.get)
    apart_s, limit_s = newest_s[last] - newest_s[first], robot.watchdogs.camera_skew_s
    text = f"the newest images are {apart_s:.3f} s apart"
    if apart_s <= limit_s:
        return [Finding(level="ok", about="cameras", text=text)]
    return [
        _error(
            "cameras",
            f"{text}: {first} lags behind {last}; camera_skew_s in {file} allows {limit_s:g} s. A "
            "higher rate, the same clock, or a shorter way",
        )
    ]


def _latency(robot: Embodiment, statuses: Sequence[NodeStatus]) -> list[Finding]:
    """Whether a chunk comes before the one before it has ended."""
    chunk_s = robot.horizon * robot.action_step_s
    for status in statuses:
        late_s = float(status.values.get("inference_p99_ms", "nan")) / 1e3
        if not status.name.endswith("/policy_node") or np.isnan(late_s):
            continue
        said = f"an inference takes {late_s:.3f} s (p99), a chunk lasts {chunk_s:g} s"
        if late_s <= LATENCY_SHARE * chunk_s:
            return [Finding(level="ok", about="latency", text=said)]
        level = "error" if late_s >= chunk_s else "warning"
        why = "device:=cuda, weights:=, or another machine (docs/remote.md)"
        return [Finding(level=level, about="latency", text=f"{said}: {why}")]
    return []


def _shared_memory(ports_left: int) -> list[Finding]:
    if not ports_left:
        return []
    text = (
        f"{ports_left} ports of Fast DDS are left of processes that were killed; drivers may "
        "stand still for a second or two when a node starts. End all ROS programs on this "
        "computer and call fastdds shm clean"
    )
    return [Finding(level="warning", about="shared memory", text=text)]


def _nodes(statuses: Sequence[NodeStatus], file: str) -> list[Finding]:
    levels: tuple[Level, ...] = ("ok", "warning", "error", "error")
    findings = [
        Finding(level=levels[status.level], about=status.name, text=status.message)
        for status in statuses
        if NODE_OK <= status.level <= NODE_ERROR + 1
    ]
    for status in statuses:
        if tighter := status.values.get("limits_of_robot"):
            text = (
                f"the robot's own limits are narrower and hold: {tighter}; write them into {file}"
            )
            findings.append(Finding(level="warning", about=status.name, text=text))
    if not any(status.name.endswith("/control_node") for status in statuses):
        findings.append(
            Finding(
                level="warning",
                about="control_node",
                text="it does not run: driver modes, the robot's own limits and others on command "
                "topics were not checked. Start the robot with dry_run:=true and check again",
            )
        )
    return findings


def _error(about: str, text: str) -> Finding:
    return Finding(level="error", about=about, text=text)
