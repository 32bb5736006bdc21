"""What a policy did is an episode whose plans lead where it went."""

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_data.episode import Episode
from qwen_vla_data.plans import with_plans
from qwen_vla_eval.reinforce.own_episode import RecordedPolicy
from qwen_vla_sim.registry import find_tasks, make_world
from qwen_vla_sim.rollout import ExpertPolicy, roll_out

NOWHERE = np.full(4, np.nan)


@pytest.mark.parametrize("name", ["mobile_base", "widowx"])
def test_when_a_rollout_is_kept_expect_its_chunks_again_after_it_was_saved(name, tmp_path):
    robot = load_embodiment(embodiments_directory() / f"{name}.yaml")
    codec, world, task = EmbodimentCodec(robot), make_world(robot), find_tasks(robot, None)[0]
    scene, chunks = task.sample(3), []
    expert = ExpertPolicy(task.expert(world, scene), codec)
    plan = expert.plan
    expert.plan = lambda *asks: chunks.append(plan(*asks)) or chunks[-1]
    box_4 = np.array([0.1, 0.2, 0.3, 0.4])
    boxes = np.stack([box_4, *[NOWHERE] * (len(robot.cameras) - 1)])
    policy = RecordedPolicy(expert, codec, lambda: boxes)
    rollout = roll_out(policy, codec, world, task, scene)
    world.close()
    policy.episode(scene.seed, rollout.outcome.success).save(tmp_path / "own.npz")
    episode = with_plans(Episode.load(tmp_path / "own.npz"), codec)
    assert episode.success and episode.instructions == (scene.instruction,)
    assert len(chunks) == len(episode.states_TS) == len(episode.images[robot.cameras[0].name]) > 2
    np.testing.assert_allclose(episode.boxes_NTV4[0, :, 0], np.tile(box_4, (len(chunks), 1)))
    for t, chunk in enumerate(chunks):
        actions_HC = codec.normalize_actions(episode.actions_NTHC[0, t])
        again = codec.decode(actions_HC, episode.commanded_TD[t], chunk.stamp_s)
        np.testing.assert_allclose(again.positions_TD, chunk.positions_TD, atol=2e-3)
