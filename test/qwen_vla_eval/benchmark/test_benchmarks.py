"""Which tasks are meant, where a benchmark is installed, and what its environment may import."""

import ast
import sys
from pathlib import Path

import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval.benchmark import benchmarks
from qwen_vla_eval.benchmark.benchmarks import BENCHMARKS
from qwen_vla_eval.benchmark.results import Results, summarize

# numpy, msgpack and websockets come with scripts/benchmarks/*.txt, the rest with the benchmarks.
BROUGHT = {"numpy", "msgpack", "websockets", "imageio", "gymnasium", "gym_aloha", "libero", "PIL"}


def test_when_the_clients_files_are_read_expect_nothing_of_ours_imported():
    files = list((Path(benchmarks.__file__).parent / "client").glob("*.py"))
    modules = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module)
    assert {name.partition(".")[0] for name in modules} - sys.stdlib_module_names <= BROUGHT


@pytest.mark.parametrize("name", BENCHMARKS)
def test_when_a_benchmarks_robot_is_read_expect_the_file_of_its_name(name):
    benchmark = BENCHMARKS[name]
    assert load_embodiment(benchmark.embodiment).name == benchmark.robot


def test_when_tasks_are_named_expect_each_once_and_a_slip_of_the_pen_refused():
    aloha = BENCHMARKS["aloha"]
    assert aloha.choose(()) == aloha.tasks
    assert aloha.choose(("insertion", "insertion")) == ("insertion",)
    libero = BENCHMARKS["libero"]
    assert len(libero.tasks) == 200 and len(libero.choose(())) == 40
    assert libero.choose(("libero_goal_lan", "libero_10/3"))[9:] == (
        "libero_goal_lan/9",
        "libero_10/3",
    )
    with pytest.raises(QwenVlaError, match="'transfer_cub'.*did you mean transfer_cube"):
        aloha.choose(("transfer_cub",))


def test_when_an_expert_is_asked_for_expect_its_tasks_and_others_refused_before_anything_runs():
    aloha, libero = BENCHMARKS["aloha"], BENCHMARKS["libero"]
    assert aloha.choose((), by_expert=True) == ("transfer_cube",)
    assert len(libero.choose((), by_expert=True)) == 20
    assert libero.choose(("libero_object_swap/3",), by_expert=True) == ("libero_object_swap/3",)
    for benchmark, name in ((aloha, "insertion"), (libero, "libero_goal/2")):
        with pytest.raises(QwenVlaError, match=f"no expert of ours does {name}"):
            benchmark.choose((name,), by_expert=True)


def test_when_a_benchmark_is_not_installed_expect_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setenv("QWEN_VLA_BENCHMARKS", str(tmp_path))
    with pytest.raises(QwenVlaError, match="make benchmark-setup"):
        BENCHMARKS["aloha"].python  # noqa: B018


def test_when_episodes_are_summed_up_expect_tasks_suites_and_intervals():
    episodes = [
        {"task": f"suite/{task}", "state": k, "success": bool(k % 2), "steps": 10 * k}
        for task in (0, 1)
        for k in range(4)
    ]
    summary = summarize(episodes)
    assert list(summary) == ["suite", "suite/0", "suite/1"]
    assert (summary["suite"]["n"], summary["suite/1"]["n"]) == (8, 4)
    assert summary["suite"]["success_interval_95"] == pytest.approx((0.2152, 0.7848), abs=1e-4)
    assert summary["suite"]["median_steps"] == 20.0


def test_when_a_file_of_results_is_damaged_expect_it_named_and_left_alone(tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(QwenVlaError, match=r"results\.json: no results of a benchmark"):
        Results(tmp_path, {})
    assert (tmp_path / "results.json").read_text() == "{"
