"""What has to hold for every robot, shipped or somebody's own: prompt, numbers, limits."""

import numpy as np

from command_observer import BaseObserver, CommandObserver
from looped_robot import LoopedRobot
from qwen_vla_core.embodiment import EmbodimentCodec, build_prompt
from qwen_vla_core.execution import ChunkVerdict
from qwen_vla_core.modes import Answer, Mode, ModeEvent

CHUNKS = 6


def pose_of(embodiment):
    """In the middle of every joint's range, and at the base's own origin."""
    middle_D = [(joint.lower + joint.upper) / 2.0 for joint in embodiment.joints]
    return np.where(embodiment.base_D, 0.0, middle_D)


def scripted(codec, commanded_D, chunk):
    """Normalised actions [H, C]: stay, and swing gently, every channel in its own rhythm."""
    embodiment = codec.embodiment
    step_H = chunk * embodiment.horizon + np.arange(embodiment.horizon)
    phase_HC = step_H[:, None] / (8.0 + np.arange(len(embodiment.action_channels)))
    still_HC = np.tile(codec.still(commanded_D), (embodiment.horizon, 1))
    return np.clip(codec.normalize_actions(still_HC) + 0.1 * np.sin(phase_HC), -1.0, 1.0)


def check_prompt(embodiment):
    """The model's sentence is about this robot."""
    prompt = build_prompt(embodiment, "wave")
    for words in (embodiment.prompt_words.robot_tag, f"{embodiment.action_hz:g} Hz", "wave"):
        assert words in prompt


def check_normalisation(embodiment):
    """Normalised and back is the same; a pose amid all ranges is a state within [-1, 1]."""
    codec, rng = EmbodimentCodec(embodiment), np.random.default_rng(0)
    normalized_HC = rng.uniform(-1.0, 1.0, (embodiment.horizon, len(embodiment.action_channels)))
    span_C = codec.action_q99_C - codec.action_q01_C
    native_HC = codec.action_q01_C + (normalized_HC + 1.0) / 2.0 * span_C
    np.testing.assert_allclose(codec.normalize_actions(native_HC), normalized_HC, atol=1e-9)
    state_S = codec.state(pose_of(embodiment))
    assert state_S.shape == (len(embodiment.state_channels),) and np.isfinite(state_S).all()
    assert (np.abs(codec.normalize_state(state_S)) <= 1.0).all()


def engaged(codec, start_D):
    """The robot in autonomy, standing still: a person engaged once a policy was there."""
    robot = LoopedRobot(codec.embodiment, start_D).run(0.1)
    still = codec.decode(scripted(codec, robot.measured_D, 0), robot.measured_D, robot.ros_s)
    assert robot.loop.on_chunk(still, robot.ros_s, robot.now_s).verdict is ChunkVerdict.BEFORE_MODE
    assert robot.ask(ModeEvent.ENGAGE_POLICY).answer is Answer.ACCEPTED
    return robot.run(0.1)


def check_start(embodiment):
    """The start pose is a state within [-1, 1], and a chunk that sets out from it is accepted."""
    codec, start_D = EmbodimentCodec(embodiment), np.array(embodiment.start_D)
    assert (start_D[np.array(embodiment.base_D)] == 0.0).all()
    assert (np.abs(codec.normalize_state(codec.state(start_D))) <= 1.0).all()
    robot = engaged(codec, start_D)
    chunk = codec.decode(scripted(codec, start_D, 0), start_D, robot.ros_s)
    np.testing.assert_allclose(chunk.positions_TD[0], start_D, atol=1e-6)
    offer = robot.loop.on_chunk(chunk, robot.ros_s, robot.now_s)
    assert offer.verdict is ChunkVerdict.ACCEPTED, offer


def check_scripted_policy(embodiment):
    """A policy moves every group, and all commands are within limits, as an observer sees it."""
    codec = EmbodimentCodec(embodiment)
    robot = engaged(codec, pose_of(embodiment))
    chunk_s = embodiment.horizon * embodiment.action_step_s
    for k in range(CHUNKS):
        actions_HC = scripted(codec, robot.commands[-1], k)
        chunk = codec.decode(actions_HC, robot.commands[-1], robot.ros_s)
        offer = robot.loop.on_chunk(chunk, robot.ros_s, robot.now_s)
        assert offer.verdict is ChunkVerdict.ACCEPTED, offer
        robot.run(min(chunk_s / 2.0, embodiment.watchdogs.observation_s))
    assert robot.loop.state.mode is Mode.AUTONOMY
    robot.ask(ModeEvent.HOLD)
    robot.run(0.2)

    base_D = np.array(embodiment.base_D)
    commands_TD, velocities_TD = np.array(robot.commands), np.array(robot.velocities)
    moved_D = np.where(base_D, np.abs(velocities_TD).max(axis=0), np.ptp(commands_TD, axis=0))
    for group in embodiment.groups:
        assert moved_D[embodiment.group_slice(group.name)].max() > 1e-3, f"{group.name} rests"
    assert (commands_TD[-1] == commands_TD[-9]).all() and (velocities_TD[-1] == 0.0).all()

    arms = [joint for joint, base in zip(embodiment.joints, base_D, strict=True) if not base]
    observer = CommandObserver(
        lower=[joint.lower for joint in arms],
        upper=[joint.upper for joint in arms],
        velocity=[joint.velocity for joint in arms],
        acceleration=[joint.acceleration for joint in arms],
    )
    for command_D in commands_TD:
        observer.see(command_D[~base_D], robot.period_s)
    if embodiment.base is not None:
        ahead, side, turn = embodiment.base.joints
        driver = BaseObserver(
            velocity=[ahead.velocity, turn.velocity],
            acceleration=[ahead.acceleration, turn.acceleration],
        )
        for velocity_3 in velocities_TD[:, base_D]:
            driver.see(velocity_3[0], velocity_3[2], robot.period_s)
            assert velocity_3[1] == 0.0
