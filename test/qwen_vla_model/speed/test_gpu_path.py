"""The items of the GPU path, looked at where there is none: the same code, other findings."""

from dataclasses import asdict

import pytest

from noise_episodes import WIDOWX
from qwen_vla_eval.bench.gpu import path_table
from qwen_vla_model.speed.gpu_path import look


@pytest.mark.long
def test_when_there_is_no_gpu_expect_every_item_looked_at_all_the_same():
    items = list(look(WIDOWX, "cpu", compile_too=False))
    found = {item.what: item.found for item in items}
    assert found["delta rule"].startswith("transformers.")
    assert found["continued pass"].startswith("traced, ")
    assert found["guided pass"].startswith("traced, ")
    assert found["waits in a training step"] == "0"
    assert len(path_table([asdict(item) for item in items]).rows) == len(items) == 6
