"""`qwen-vla train` as people run it: interrupted, without a home, and what it says at the end."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from child_processes import wait_for
from killed_trainings import write_recipe
from qwen_vla_model.training.saves import check_save, saved_progress


def command(recipe, *more):
    return [sys.executable, "-m", "qwen_vla_cli.main", "train", "--config", str(recipe), *more]


@pytest.mark.timeout(600)
def test_when_a_training_is_interrupted_expect_an_end_within_3_s_and_how_to_go_on(tmp_path):
    """SIGTERM interrupts all commands in one way, see test_interrupts.py."""
    run = subprocess.Popen(
        command(write_recipe(tmp_path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: saved_progress(tmp_path / "run"), 500, "a save")
    begin_s = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - begin_s < 3.0
    step = check_save(tmp_path / "run").step
    assert run.returncode == 128 + signal.SIGINT and "Traceback" not in said
    last = said.splitlines()[-1]
    assert last == (
        f"qwen-vla train: interrupted; {tmp_path / 'run'} is saved at step {step}; "
        "the same command with --resume goes on from there"
    )


@pytest.mark.timeout(600)
def test_when_there_is_no_home_expect_a_training_that_ends_with_the_next_command(tmp_path):
    recipe = write_recipe(tmp_path)
    values = yaml.safe_load(recipe.read_text()) | {"max_steps": 1}
    recipe.write_text(yaml.safe_dump(values))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    ended = subprocess.run(
        command(recipe),
        env=environment | {"HOME": "/proc/nowhere"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    checkpoint = tmp_path / "run" / "checkpoint"
    assert ended.stdout.splitlines()[-1] == (
        f"the checkpoint is in {checkpoint}; to measure it: qwen-vla evaluate --embodiment "
        f"{values['mixture'][0]['embodiment']} --checkpoint {checkpoint}"
    )
    assert "validated at step 1, " in ended.stdout
    assert re.search(r"^100 %, step 1, loss \d+\.\d+, 00:00 left$", ended.stderr, re.MULTILINE)
    assert "Traceback" not in ended.stderr and "causal_conv1d" not in ended.stderr
