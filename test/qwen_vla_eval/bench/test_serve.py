"""What the bench of the policy server says."""

import cv2
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval.bench.serve import IN_PROCESS, OURS, STOCK, measure_serve, measure_url, soak
from qwen_vla_eval.bench.serve import table as table_of
from qwen_vla_eval.bench.serve_figure import draw_serve
from qwen_vla_eval.tables import show
from robots import WIDOWX
from scripted_policy import ScriptedPolicy, serving

ROBOT = load_embodiment(WIDOWX)


def test_when_a_server_is_measured_expect_direct_calls_batches_and_openpis_loop(capsys, tmp_path):
    measured = measure_serve(ROBOT, [1, 2], requests=3, gpu_s=0.005)
    ways = [(result["way"], result["robots"]) for result in measured["results"]]
    assert ways == [(IN_PROCESS, 1), (OURS, 1), (OURS, 2), (STOCK, 1), (STOCK, 2)]
    for result in measured["results"]:
        assert 5.0 <= result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"]
        assert 0 < result["chunks_per_s"] < 1000
        assert 1.0 <= result["batch"] <= result["robots"]
    show([table_of(measured), *measured["goals"]])
    printed = capsys.readouterr().out
    assert "openpi's loop" in printed and "the wire costs" in printed
    draw_serve(measured, tmp_path / "serve.png")
    drawn = cv2.imread(str(tmp_path / "serve.png"))
    assert drawn.shape[1] > 2 * drawn.shape[0] > 0 and drawn.std() > 10


def test_when_a_server_that_runs_is_measured_expect_its_address_in_the_table(capsys):
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (server, url):
        measured = measure_url(url, ROBOT, [1], requests=3)
        assert server.metrics.answers == 6  # three are not counted
    assert measured["results"][0]["batch"] == 1.0
    show([table_of(measured)])
    assert "127.0.0.1" in capsys.readouterr().out


def test_when_a_server_that_is_measured_fails_expect_its_words():
    policy = ScriptedPolicy(ROBOT)
    policy.robot = ROBOT.model_copy(update={"horizon": 3})
    with serving(policy, ROBOT) as (_, url), pytest.raises(QwenVlaError, match="its answer"):
        measure_url(url, ROBOT, [1], requests=3)


def test_when_a_server_is_soaked_expect_what_was_answered_and_how_memory_grew():
    measured = soak(ROBOT, 2, seconds=1.0, gpu_s=0.005)
    assert measured["answers"] > 2 and measured["longest_ms"] >= 5.0
    assert list(measured["memory_mib"]) == ["server", "robot 1", "robot 2"]
    assert min(measured["memory_mib"].values()) > 20
    assert all(-0.5 < growth < 0.5 for growth in measured["memory_growth"].values())
