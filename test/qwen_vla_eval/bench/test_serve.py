"""What the bench of the policy server says."""

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_eval.bench.serve import measure_serve, measure_url, table
from qwen_vla_eval.tables import show
from robots import WIDOWX
from scripted_policy import ScriptedPolicy, serving

ROBOT = load_embodiment(WIDOWX)


def test_when_a_server_is_measured_expect_direct_calls_batches_and_one_at_a_time(capsys):
    measured = measure_serve(ROBOT, [1, 2], requests=3, gpu_s=0.005)
    ways = [(result["way"], result["robots"]) for result in measured["results"]]
    assert ways == [
        ("in the process", 1),
        ("batches", 1),
        ("batches", 2),
        ("one at a time", 1),
        ("one at a time", 2),
    ]
    for result in measured["results"]:
        assert 5.0 <= result["p50_ms"] <= result["p90_ms"] <= result["p99_ms"]
        assert 0 < result["chunks_per_s"] < 1000
    show([table(measured)])
    assert "one at a time" in capsys.readouterr().out


def test_when_a_server_that_runs_is_measured_expect_its_address_in_the_table(capsys):
    with serving(ScriptedPolicy(ROBOT), ROBOT) as (server, url):
        measured = measure_url(url, ROBOT, [1], requests=3)
        assert server.metrics.answers == 6  # three are not counted
    show([table(measured)])
    assert "127.0.0.1" in capsys.readouterr().out
