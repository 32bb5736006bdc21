"""The benchmarks themselves, with our scripted experts: make test-benchmarks."""

import subprocess
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_data.episode import Episode
from qwen_vla_eval.benchmark import run
from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS
from qwen_vla_eval.benchmark.run import Measurement, measure
from qwen_vla_sim.gl import select_gl
from scripted_policy import ScriptedPolicy, serving

pytestmark = pytest.mark.timeout(1800)


def measurement(name, task=None, **changed):
    """Of a benchmark's first task, with its expert, where nothing else is said."""
    benchmark = BENCHMARKS[name]
    given = {"tasks": [task or benchmark.tasks[0]], "policy": "expert", "url": None, "execute": 1}
    given |= {"latency_ms": 0.0, "record": False, "workers": 1}
    return Measurement(benchmark=benchmark, **given | changed)


UNCHANGED = """
import sys
sys.path.insert(0, {folder!r})
import gymnasium, numpy as np
from client.gym_aloha_tasks import FIRST_SEED, GymAloha
ours = GymAloha()
theirs = gymnasium.make({task!r}, obs_type="pixels_agent_pos", disable_env_checker=True)
ours.reset("transfer_cube", 3)
observation, _ = theirs.reset(seed=FIRST_SEED + 3)
for step in range(8):
    seen = ours.request(ours.picture(), {{}})
    assert (seen["state"] == observation["agent_pos"]).all()
    assert (ours.picture()["cam_high"] == observation["pixels"]["top"]).all()
    action = ours.expert()
    ours.step(action)
    observation, *_ = theirs.step(action)
print("the same")
"""


def test_when_views_are_drawn_only_on_demand_expect_what_gym_aloha_itself_shows():
    aloha = BENCHMARKS["aloha"]
    folder = Path(run.__file__).parent
    program = UNCHANGED.format(folder=str(folder), task="gym_aloha/AlohaTransferCube-v0")
    select_gl()
    ran = subprocess.run([aloha.python, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "the same\n", ran.stderr


@pytest.mark.parametrize("name", BENCHMARKS)
def test_when_our_server_is_asked_expect_an_episode_to_its_last_step(tmp_path, name):
    benchmark = BENCHMARKS[name]
    robot = load_embodiment(benchmark.embodiment)
    with serving(ScriptedPolicy(robot), robot) as (_, url):
        (episode,) = measure(measurement(name, states=[49], url=url, execute=8), tmp_path).episodes
    assert not episode["success"] and episode["chunks"] == -(-episode["steps"] // 8)
    assert episode["steps"] == {"aloha": 300, "libero": 280}[name]
    (film,) = (tmp_path / "films").iterdir()
    assert film.name.endswith("-49-failure.mp4") and film.stat().st_size > 1000


EXPERTS = [
    ("aloha", "transfer_cube"),
    ("libero", "libero_object/0"),
    ("libero", "libero_spatial/0"),
]


@pytest.mark.parametrize(("name", "task"), EXPERTS)
def test_when_the_expert_acts_expect_nine_of_ten_of_the_benchmarks_own_states(
    tmp_path, name, task
):
    what = measurement(name, task, states=range(10), workers=2)
    episodes = measure(what, tmp_path).episodes
    done = sum(episode["success"] for episode in episodes)
    print(f"{name} {task}: {done} of {len(episodes)}")
    assert done >= 0.9 * len(episodes)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_when_the_expert_is_recorded_expect_states_and_actions_within_the_robots_limits(
    tmp_path, name
):
    measure(measurement(name, states=[10_000], record=True), tmp_path)
    (path,) = tmp_path.glob("*.npz")
    codec = EmbodimentCodec(load_embodiment(BENCHMARKS[name].embodiment))
    episode = Episode.load(path)
    for native, normalized in (
        (episode.states_TS, codec.normalize_state(episode.states_TS)),
        (episode.actions_NTHC[0, :, 0], codec.normalize_actions(episode.actions_NTHC[0, :, 0])),
    ):
        assert abs(normalized).max() < 1.2, native
