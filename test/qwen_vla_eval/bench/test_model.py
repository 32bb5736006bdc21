"""`qwen-vla bench model` and `qwen-vla bench gpu`: their tables, files and refusals."""

import json
import subprocess
import sys

import pytest
import torch

from micro_qwen_vla import micro_config
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_eval.bench import gpu, model
from qwen_vla_eval.tables import Table, show
from qwen_vla_model.speed import bench
from qwen_vla_model.speed.passes import Shape

SMALL = Shape(views=2, size=32, text_tokens=9)


@pytest.fixture
def small(monkeypatch):
    """The bench, with a network that runs in no time in the place of the tiny one."""
    monkeypatch.setitem(bench.CONFIGS, "tiny", micro_config)
    monkeypatch.setitem(bench.SHAPES, "tiny", SMALL)
    monkeypatch.setitem(bench.SIZES, "tiny", (16, 32))
    monkeypatch.setattr("qwen_vla_model.speed.machine.PROBE_S", 0.01)


def measured(paths, passes=2, device="cpu", **more):
    return model.measure_model(
        "tiny", device, paths, passes, threads=1, with_sensitivity=False, **more
    )


def test_when_the_model_is_measured_expect_tables_of_what_json_can_hold(
    small, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    result = json.loads(json.dumps(measured(("plain", "eager"), steps=2)))
    show(model.report(result))
    assert [path["label"] for path in result["paths"]] == ["plain", "eager"]
    assert result["paths"][0]["steps"] == 2 and result["machine"]["bandwidth_gb_s"] > 0
    printed = capsys.readouterr().out
    for word in ("prefill", "Euler step 2", "x bound", "flash-linear-attention"):
        assert word in printed
    phases = next(
        part.rows
        for part in model.report(result)
        if isinstance(part, Table) and part.title.startswith("phases")
    )
    names = [row[0] for row in phases]
    assert names[0] == "pre-processing" and names[-1] == "total" and len(names) == 9
    assert names.index("vision and prefill") < names.index("Euler step 1")


def test_when_one_case_fails_or_time_is_up_expect_it_named_and_the_rest_shown(small, monkeypatch):
    def fail(phases):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(bench, "captured", fail)
    asked = iter([False] * 4)
    result = model.measure(
        "tiny",
        micro_config(),
        SMALL,
        "cpu",
        ("plain", "eager", "graph"),
        1,
        with_sensitivity=True,
        out_of_time=lambda: next(asked, True),
    )
    text = "\n".join(
        part if isinstance(part, str) else part.markdown() for part in model.report(result)
    )
    assert "graph failed: RuntimeError: no kernel image" in text
    assert "left out, no time: 2 views, 3 views" in text and "| eager |" in text
    assert "| 1 view | 13 |" in text


def test_when_a_path_is_unknown_expect_the_possible_ones():
    with pytest.raises(QwenVlaError, match="no graph on cpu; there are: plain, eager, compiled"):
        measured(("graph",))


def test_when_the_size_does_not_fit_expect_the_unit():
    with pytest.raises(QwenVlaError, match="multiple of 24"):
        measured(("eager",), size=100)


def test_when_there_is_no_gpu_expect_one_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for measure in (
        lambda: measured(("eager",), device="cuda"),
        lambda: gpu.measure_gpu(tmp_path / "new"),
    ):
        with pytest.raises(QwenVlaError, match="no CUDA device here"):
            measure()
    assert not list(tmp_path.iterdir())


def test_when_the_gpu_bench_is_planned_expect_both_sizes_all_paths_and_compiling_last():
    by_config = {
        config: [path for part in gpu.PARTS if part.config == config for path in part.paths]
        for config in ("5b", "tiny")
    }
    assert all(set(paths) == set(bench.PATHS["cuda"]) for paths in by_config.values())
    assert {part.config for part in gpu.PARTS if part.with_sensitivity} == {"5b", "tiny"}
    compiling = ["compiled" in part.paths for part in gpu.PARTS]
    assert compiling == sorted(compiling)
    assert gpu.BUDGET_S + 60 <= 600


def test_when_the_gpu_bench_runs_expect_all_parts_in_one_table_and_on_disk(
    small, monkeypatch, tmp_path
):
    """As on a GPU, but for the device: this machine's own paths, and a part without time left."""
    parts = [
        gpu.Part(config="tiny", paths=paths, with_sensitivity=False, needs_s=needs_s)
        for paths, needs_s in ((("plain",), 0.0), (("eager",), 0.0), (("compiled",), 1e6))
    ]
    monkeypatch.setattr(gpu, "PARTS", parts)
    monkeypatch.setattr(gpu, "GPU_PASSES", 1)
    monkeypatch.setattr(gpu, "require_device", lambda device: None)
    measure = gpu.measure
    monkeypatch.setattr(
        gpu, "measure", lambda *told, **more: measure(*told[:3], "cpu", *told[4:], **more)
    )
    _, items, skipped = gpu.measure_gpu(tmp_path)
    assert skipped == ["tiny compiled"]
    assert json.loads((tmp_path / "path.json").read_text())["items"] == items
    paths = json.loads((tmp_path / "tiny.json").read_text())["paths"]
    assert [path["label"] for path in paths] == ["plain", "eager"]
    text = (tmp_path / "tables.md").read_text()
    assert "## tiny" in text and "| eager |" in text and "No time for: tiny compiled" in text
    assert "the GPU path, item by item" in text
    assert "| failed | CheckpointError: device cuda" in text


@pytest.mark.parametrize("name", ["model", "gpu"])
def test_when_help_is_requested_expect_an_example(name):
    command = [sys.executable, "-m", "qwen_vla_cli.main", "bench", name, "--help"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 and f"qwen-vla bench {name}" in ended.stdout
