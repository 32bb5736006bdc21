"""An episode without an expert is learned from what was commanded afterwards."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.episode import Episode
from qwen_vla_data.plans import commands_of, next_actions, with_plans

EMBODIMENTS = Path(__file__).parents[2] / "embodiments"
STEPS = 70


def teleoperated(codec, commanded_TD):
    """An episode as a recorder on a robot writes it: one sentence, no plans, no boxes."""
    return Episode(
        embodiment=codec.embodiment.name,
        stride=1,
        instructions=("pick it up",),
        images={"front": (b"",) * len(commanded_TD)},
        states_TS=np.zeros((len(commanded_TD), len(codec.state_q01_S)), np.float32),
        commanded_TD=commanded_TD,
    )


def commands(codec):
    """A slow walk from a pose that every joint can be in; a base drives a curve."""
    robot = codec.embodiment
    start_D = np.concatenate([group.start for group in robot.groups if not group.is_base] or [[]])
    walk_TD = 0.002 * np.random.default_rng(0).standard_normal((STEPS, len(robot.joints)))
    base_D = np.array(robot.base_D)
    position_TD = np.cumsum(walk_TD, axis=0)
    low_D, high_D = np.array([(joint.lower, joint.upper) for joint in robot.joints]).T
    arm_TD = (position_TD[:, ~base_D] + start_D).clip(low_D[~base_D], high_D[~base_D])
    position_TD[:, ~base_D] = arm_TD
    if base_D.any():
        yaw_T = 0.3 + np.linspace(0.0, 1.2, STEPS)
        x_T, y_T = 2.0 + np.sin(yaw_T), 1.0 - np.cos(yaw_T)
        position_TD[:, base_D] = np.stack([x_T, y_T, yaw_T], axis=1)
    return position_TD


@pytest.mark.parametrize("name", ["widowx", "aloha", "mobile_base", "widowx_mobile"])
def test_when_nobody_planned_expect_plans_that_lead_where_the_commands_went(name):
    codec = EmbodimentCodec(load_embodiment(EMBODIMENTS / f"{name}.yaml"))
    robot, commanded_TD = codec.embodiment, commands(codec)
    episode = with_plans(teleoperated(codec, commanded_TD), codec)
    base_D = np.array(robot.base_D)
    for t in (0, 9, STEPS - 5, STEPS - 2):
        known = min(robot.horizon, STEPS - 1 - t)
        assert episode.valid_NTH[0, t].sum() == known
        plan_HC = codec.normalize_actions(episode.actions_NTHC[0, t, :known])
        assert np.abs(plan_HC).max() <= 1.0 + 1e-6  # nothing here that normalisation would clip
        reached_D = codec.decode(plan_HC, commanded_TD[t], 0.0).positions_TD[-1]
        wanted_D = commanded_TD[t + known]
        np.testing.assert_allclose(reached_D[~base_D], wanted_D[~base_D], atol=2e-3)
        if base_D.any():
            x, y, yaw = wanted_D[base_D] - commanded_TD[t, base_D]
            cos, sin = np.cos(commanded_TD[t, base_D][2]), np.sin(commanded_TD[t, base_D][2])
            seen = [cos * x + sin * y, cos * y - sin * x, yaw]
            np.testing.assert_allclose(reached_D[base_D], seen, atol=2e-3)
    assert not episode.valid_NTH[0, -1].any()  # nothing was commanded after the last step
    assert np.isnan(episode.boxes_NTV4).all()


@pytest.mark.parametrize("name", ["widowx", "aloha", "mobile_base", "widowx_mobile"])
def test_when_the_next_actions_are_carried_out_expect_what_was_commanded(name):
    codec = EmbodimentCodec(load_embodiment(EMBODIMENTS / f"{name}.yaml"))
    robot, commanded_TD = codec.embodiment, commands(codec)
    episode = teleoperated(codec, commanded_TD)
    actions_TC = next_actions(episode, codec)
    np.testing.assert_array_equal(
        actions_TC[:-1], with_plans(episode, codec).actions_NTHC[0, :-1, 0]
    )
    np.testing.assert_allclose(  # after the last step nothing is known: it stays
        codec.normalize_actions(actions_TC[-1]), codec.still(commanded_TD[-1]), atol=1e-5
    )
    there_TD = commands_of(actions_TC, commanded_TD[0], robot, robot.action_step_s)
    np.testing.assert_allclose(there_TD, commanded_TD, atol=5e-3)


def test_when_an_expert_planned_expect_its_plans_untouched():
    codec = EmbodimentCodec(load_embodiment(EMBODIMENTS / "widowx.yaml"))
    plain = with_plans(teleoperated(codec, commands(codec)), codec)
    planned = replace(plain, actions_NTHC=plain.actions_NTHC + 1.0, seed=10_000)
    np.testing.assert_array_equal(with_plans(planned, codec).actions_NTHC, planned.actions_NTHC)


def test_when_an_episode_is_another_robots_expect_both_named():
    widowx, aloha = (
        EmbodimentCodec(load_embodiment(EMBODIMENTS / f"{name}.yaml"))
        for name in ("widowx", "aloha")
    )
    episode = teleoperated(aloha, commands(aloha))
    with pytest.raises(QwenVlaError, match="recorded on aloha with 14 joints, not on widowx"):
        with_plans(episode, widowx)
    cut = with_plans(teleoperated(widowx, commands(widowx)), widowx)
    cut = replace(cut, actions_NTHC=cut.actions_NTHC[:, :, :8], valid_NTH=cut.valid_NTH[:, :, :8])
    with pytest.raises(QwenVlaError, match="plans have 8 steps of 7 channels"):
        with_plans(cut, widowx)
