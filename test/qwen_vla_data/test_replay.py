"""A replay: slowly to the first pose, then what was commanded, in its own time, within limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from looped_robot import LoopedRobot
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.execution import PolicyLoop
from qwen_vla_core.modes import Answer, Mode, ModeEvent
from qwen_vla_core.observation.empty_scene import empty_scene
from qwen_vla_data.replay import APPROACH_SPEED, ReplayPolicy
from waved_episodes import ROBOTS, codec_of, planned, teleoperated

STEPS = 40


class ReplayedRobot(LoopedRobot):
    """A robot that follows perfectly, and policy_node's loop with a replay."""

    def __init__(self, codec, episode, start_D):
        super().__init__(codec.embodiment, start_D)
        self.policy = ReplayPolicy(episode, codec, "episode.npz")
        self.plans = PolicyLoop(codec, expected_s=self.policy.warm_up())
        self.plans.on_instruction(self.policy.instruction)
        self.run(0.5)

    def tell(self, mode):
        self.policy.on_mode(mode)
        self.plans.on_mode(mode, self.ros_s)

    def engage(self):
        self.play(2.0 * self.embodiment.action_step_s)  # a policy that is silent is refused
        assert self.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
        self.tell(Mode.AUTONOMY)
        return self

    def play(self, seconds):
        for _ in range(round(seconds / self.period_s)):
            if self.plans.due(self.ros_s):
                seen = empty_scene(self.embodiment)
                commanded_D = self.commands[-1] if self.commands else self.measured_D
                seen = replace(seen, stamp_s=self.ros_s, commanded_D=commanded_D)
                if request := self.plans.start_inference(seen, self.now_s):
                    chunk = self.policy.plan(request.observation, request.prefix)
                    self.loop.on_chunk(chunk, self.ros_s, self.now_s)
                    self.plans.on_chunk(chunk, self.ros_s, self.now_s)
            self.run(self.period_s)
        return self


def away(codec, episode, offset=0.15):
    """Somewhere near the first pose of an episode."""
    robot = codec.embodiment
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    return (episode.commanded_TD[0] - offset * (high_D - low_D) / 6.0).clip(low_D, high_D)


@pytest.mark.parametrize("robot", ["widowx", "aloha"])
def test_when_engaged_expect_a_slow_way_there_and_then_what_was_commanded(robot):
    codec = codec_of(robot)
    episode = teleoperated(codec, STEPS)
    speed_D = np.array([joint.velocity for joint in codec.embodiment.joints])
    start_D = away(codec, episode)
    way_s = (np.abs(episode.commanded_TD[0] - start_D) / (APPROACH_SPEED * speed_D)).max()
    approach_s = 1.5 * way_s  # it begins and ends at rest
    replayed = ReplayedRobot(codec, episode, start_D).engage()
    replayed.play(approach_s)
    way_TD = np.array(replayed.velocities)
    assert np.abs(way_TD).max(0).max() > 0.0
    assert (np.abs(way_TD) / speed_D).max() < 1.1 * APPROACH_SPEED
    duration_s = STEPS * codec.embodiment.action_step_s
    replayed.play(duration_s + 1.0)
    sent_TD = np.array(replayed.commands)[round(approach_s / replayed.period_s) :]
    # Every recorded pose is passed, in its order, and the last one is held.
    nearest = [np.abs(sent_TD - pose_D).max(1).min() for pose_D in episode.commanded_TD]
    assert max(nearest) < 0.02
    np.testing.assert_allclose(sent_TD[-1], episode.commanded_TD[-1], atol=1e-3)
    assert replayed.loop.state.mode is Mode.AUTONOMY
    assert replayed.policy.diagnostics()["replayed_s"] == pytest.approx(
        duration_s - codec.embodiment.action_step_s, abs=0.01
    )


def test_when_a_base_is_replayed_expect_it_to_drive_the_same_curve():
    codec = codec_of("mobile_base")
    episode = teleoperated(codec, STEPS)
    replayed = ReplayedRobot(codec, episode, np.zeros(3)).engage()
    replayed.play(STEPS * codec.embodiment.action_step_s + 1.0)
    pose_3 = np.array([0.0, 0.0, 0.3])  # the episode begins turned by 0.3 rad
    for ahead, _, turn in np.array(replayed.velocities):
        middle = pose_3[2] + turn * replayed.period_s / 2.0
        step_3 = np.array([ahead * np.cos(middle), ahead * np.sin(middle), turn])
        pose_3 += step_3 * replayed.period_s
    wanted_3 = episode.commanded_TD[-1] - episode.commanded_TD[0]
    # Nothing corrects it on the way: what the acceleration limit took at its start is missing.
    np.testing.assert_allclose(pose_3 - [0.0, 0.0, 0.3], wanted_3, atol=0.1)
    np.testing.assert_array_equal(replayed.velocities[-1], np.zeros(3))  # and it stands


def test_when_nobody_engaged_expect_its_beginning_shown_again_and_again_and_nothing_sent():
    codec = codec_of("widowx")
    episode = teleoperated(codec, STEPS)
    replayed = ReplayedRobot(codec, episode, episode.commanded_TD[0])
    replayed.play(4.0)
    assert replayed.commands == [] and replayed.policy.diagnostics()["replayed_s"] == 0.0


def test_when_engaged_again_expect_it_from_the_beginning():
    codec = codec_of("widowx")
    episode = teleoperated(codec, STEPS)
    replayed = ReplayedRobot(codec, episode, episode.commanded_TD[0]).engage().play(3.0)
    assert replayed.policy.diagnostics()["replayed_s"] > 2.0
    replayed.ask(ModeEvent.HOLD)
    replayed.tell(Mode.HOLD)
    held_D = replayed.play(1.0).commands[-1]
    replayed.engage().play(0.4)
    assert replayed.policy.diagnostics()["replayed_s"] < 0.5
    assert np.abs(replayed.commands[-1] - held_D).max() < 0.2  # slowly, from where it was held


def test_when_it_falls_behind_in_autonomy_expect_no_way_back_to_the_beginning():
    codec = codec_of("widowx")
    episode = teleoperated(codec, STEPS)
    replayed = ReplayedRobot(codec, episode, episode.commanded_TD[0]).engage().play(2.0)
    seen = replace(
        empty_scene(codec.embodiment),
        stamp_s=replayed.ros_s + 0.4,
        commanded_D=replayed.commands[-1],
    )
    chunk = replayed.policy.plan(seen, None)  # nothing is followed, yet nobody engaged it anew
    step = round(replayed.policy.diagnostics()["replayed_s"] * codec.embodiment.action_hz)
    np.testing.assert_allclose(chunk.positions_TD[3], episode.commanded_TD[step + 3], atol=0.02)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ROBOTS), st.integers(0, 2**32 - 1), st.floats(0.0, 20.0))
def test_when_it_begins_anywhere_expect_finite_targets_within_the_limits(name, seed, after_s):
    codec = codec_of(name)
    robot = codec.embodiment
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    policy = ReplayPolicy(teleoperated(codec, 12), codec, "x")
    policy.on_mode(Mode.AUTONOMY)
    seen = replace(
        empty_scene(robot), commanded_D=np.random.default_rng(seed).uniform(low_D, high_D)
    )
    policy.plan(seen)
    chunk = policy.plan(replace(seen, stamp_s=seen.stamp_s + after_s))
    arm_D = ~np.array(robot.base_D)
    assert np.isfinite(chunk.positions_TD).all() and np.isfinite(chunk.velocities_TD).all()
    assert (chunk.positions_TD[:, arm_D] >= low_D[arm_D] - 1e-9).all()
    assert (chunk.positions_TD[:, arm_D] <= high_D[arm_D] + 1e-9).all()
    assert len(chunk.positions_TD) == robot.horizon + 1


def test_when_every_tenth_step_was_recorded_expect_the_same_pace():
    codec = codec_of("aloha")
    episode = planned(codec, 8, stride=10)
    policy = ReplayPolicy(episode, codec, "x")
    assert policy.diagnostics()["of_s"] == pytest.approx(7 * 10 * 0.02)


def with_joint(place, value):
    def change(episode):
        commanded_TD = episode.commanded_TD.copy()
        commanded_TD[5, place] = value
        return {"commanded_TD": commanded_TD}

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_joint(2, np.nan), "x.npz: its commands are NaN or infinite"),
        (with_joint(1, 2.2), "x.npz: joint shoulder was commanded to 2.2 rad at step 5, outside"),
        (lambda e: {"embodiment": "aloha"}, "x.npz: recorded on aloha with 7 joints"),
    ],
)
def test_when_an_episode_must_not_be_replayed_expect_one_line(change, words):
    codec = codec_of("widowx")
    episode = teleoperated(codec, STEPS)
    with pytest.raises(QwenVlaError, match=words):
        ReplayPolicy(replace(episode, **change(episode)), codec, "x.npz")
