"""A benchmark from end to end, with a fake one in a process of its own and a real server."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from fake_benchmark import FAILING
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_data.episode import Episode
from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS, Benchmark
from qwen_vla_eval.benchmark.run import Measurement, measure
from scripted_policy import ScriptedPolicy, serving

TEST = Path(__file__).parents[2]
ALOHA = load_embodiment(BENCHMARKS["aloha"].embodiment)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A benchmark whose environment is that of the tests."""
    python = tmp_path / "environments" / "fake" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("QWEN_VLA_BENCHMARKS", str(tmp_path / "environments"))
    monkeypatch.setenv("PYTHONPATH", str(TEST))
    return Benchmark(
        name="fake",
        module="fake_benchmark:FakeAloha",
        robot="gym_aloha",
        tasks=("move", "refused"),
        usual=("move",),
        expert=("move",),
    )


def measurement(fake, url, **changed):
    given = {"tasks": ["move"], "states": range(5), "policy": "scripted", "execute": 8}
    given |= {"latency_ms": 0.0, "record": False, "workers": 2}
    return Measurement(benchmark=fake, url=url, **given | changed)


def test_when_a_benchmark_is_measured_expect_each_episode_and_no_second_time(fake, tmp_path):
    policy, out = ScriptedPolicy(ALOHA), tmp_path / "out"
    with serving(policy, ALOHA) as (_, url):
        results = measure(measurement(fake, url, states=range(2)), out)
        assert [(e["state"], e["success"], e["chunks"]) for e in results.episodes] == [
            (0, True, 3),  # 24 steps, of which 8 each
            (1, True, 3),
        ]
        asked = len(policy.batches)
        results = measure(measurement(fake, url), out)  # more states: only those are new
        assert len(policy.batches) == asked + 3 + 5 + 3  # a failure goes on to the limit
    kept = json.loads((out / "results.json").read_text())
    assert [e["state"] for e in kept["episodes"] if not e["success"]] == [FAILING]
    assert (kept["summary"]["move"]["n"], kept["summary"]["move"]["success_rate"]) == (5, 0.8)
    films = sorted(film.name for film in (out / "films").iterdir())
    assert films == [f"move-{k}-success.mp4" for k in range(3)] + ["move-3-failure.mp4"]
    with pytest.raises(QwenVlaError, match="another execute; choose another --out"):
        measure(measurement(fake, url, execute=4), out)


def test_when_a_chunk_comes_late_expect_the_last_one_to_be_played_meanwhile(fake, tmp_path):
    with serving(ScriptedPolicy(ALOHA), ALOHA) as (_, url):
        late = measurement(fake, url, states=[0], latency_ms=60.0, workers=1)
        (episode,) = measure(late, tmp_path / "late").episodes
    # 3 steps of the chunk before belong to the 8 that are carried out between two questions.
    assert episode["success"] and episode["chunks"] == 3


def test_when_the_policy_fails_expect_task_state_and_its_words_and_what_was_done_kept(
    fake, tmp_path
):
    with serving(ScriptedPolicy(ALOHA), ALOHA) as (_, url):
        both = measurement(fake, url, tasks=["move", "refused"], states=[0], workers=1)
        with pytest.raises(QwenVlaError, match="refused, initial state 0: .*as it was told"):
            measure(both, tmp_path / "out")
    kept = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [e["task"] for e in kept["episodes"]] == ["move"]


def test_when_the_expert_is_recorded_expect_its_successes_as_episodes(fake, tmp_path):
    recorded = measurement(fake, None, policy="expert", record=True, states=[2, FAILING])
    measure(recorded, tmp_path)
    (path,) = tmp_path.glob("*.npz")
    episode = Episode.load(path)
    assert (episode.embodiment, episode.seed, episode.stride) == ("gym_aloha", 2, 5)
    assert episode.success and episode.instructions == ("Move.",)
    # Seen after 0, 5, ... 20 steps; the expert adds 0.01 in each, and ends after 24.
    assert episode.states_TS[:, 0] == pytest.approx([0.05 * k for k in range(5)])
    assert episode.actions_NTHC[0, 2, :3, 0] == pytest.approx([0.11, 0.12, 0.13])
    assert episode.valid_NTH[0].sum(axis=1).tolist() == [16, 16, 14, 9, 4]
    assert np.isfinite(episode.actions_NTHC).all()
    assert not list(tmp_path.glob(".*.npz"))
