"""The whole way: a scripted expert through chunk, control, driver, DDS and simulated hardware.

What is between expert and physics is what is between a policy and a robot; so adapters, units,
orders, signs and timing are right where an expert succeeds.
"""

import pytest

from closed_loop import slow_cameras
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_eval import episodes as module
from qwen_vla_eval.episodes import directly, through_ros
from qwen_vla_eval.runner import EvaluationCase
from qwen_vla_sim.registry import find_tasks

# The arm and the base of these two are in a robot that has both.
LONG = {"widowx", "mobile_base"}
ROBOTS = [
    pytest.param(path.stem, marks=[pytest.mark.long] if path.stem in LONG else [])
    for path in sorted(embodiments_directory().glob("*.yaml"))
    if load_embodiment(path).simulated_world is not None
]
SUCCESSES, TRIES = 1, 5
"""Tries that fail are those in which a busy machine kept a stream silent for too long."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(params=ROBOTS)
def case(request):
    path = embodiments_directory() / f"{request.param}.yaml"
    task = find_tasks(load_embodiment(path), None)[0]
    return EvaluationCase(embodiment=path, task=task.name, checkpoint=None, prompt_embodiment=path)


def scenes(case, count):
    (task,) = find_tasks(load_embodiment(case.embodiment), case.task)
    return [task.sample(seed) for seed in range(count)]


def test_when_an_expert_drives_a_robot_through_every_node_expect_it_to_succeed_and_no_complaint(
    case, tmp_path, monkeypatch, capfd
):
    """Without a home and in an empty folder, as a container starts it."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    bringup = module.describe_bringup  # an expert looks at no image, and to draw them takes a core
    monkeypatch.setattr(
        module, "describe_bringup", lambda **asked: [*map(slow_cameras, bringup(**asked))]
    )
    episodes = []
    for episode in through_ros(case, scenes(case, TRIES)):
        episodes.append(episode)
        if sum(episode["success"] for episode in episodes) == SUCCESSES:
            break
    assert sum(episode["success"] for episode in episodes) == SUCCESSES, episodes
    assert "Traceback" not in "".join(capfd.readouterr()) and not list(tmp_path.iterdir())


def test_when_an_expert_works_without_ros_expect_the_same_scenes_in_their_order():
    path = embodiments_directory() / "mobile_base.yaml"
    case = EvaluationCase(embodiment=path, task="go_to", checkpoint=None, prompt_embodiment=path)
    wanted = scenes(case, 4)
    episodes = list(directly(case, wanted, workers=2))
    assert [episode["seed"] for episode in episodes] == [0, 1, 2, 3]
    assert all(
        episode["done"] == scene.instruction
        for episode, scene in zip(episodes, wanted, strict=True)
    )
