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
from qwen_vla_cli.main import main
from qwen_vla_model.training.saves import check_save, saved_progress


@pytest.mark.timeout(600)
def test_when_a_training_without_a_home_is_interrupted_expect_an_end_within_3_s_and_how_to_go_on(
    tmp_path,
):
    """SIGTERM interrupts all commands in one way, see test_interrupts.py."""
    command = [sys.executable, "-m", "qwen_vla_cli.main", "train", "--config"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    run = subprocess.Popen(
        [*command, write_recipe(tmp_path)],
        env=environment | {"HOME": "/proc/nowhere"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: saved_progress(tmp_path / "run"), 500, "a save")
    begin_s = time.monotonic()
    run.send_signal(signal.SIGINT)
    printed, said = run.communicate(timeout=60)
    assert time.monotonic() - begin_s < 3.0
    step = check_save(tmp_path / "run").step
    assert run.returncode == 128 + signal.SIGINT
    assert "Traceback" not in said and "causal_conv1d" not in said
    assert "validated at step 1, " in printed
    assert (tmp_path / "run" / "curve.png").stat().st_size > 1000
    last = said.splitlines()[-1]
    assert last == (
        f"qwen-vla train: interrupted; {tmp_path / 'run'} is saved at step {step}; "
        "the same command with --resume goes on from there"
    )


def test_when_a_training_is_through_expect_it_to_end_with_the_next_command(
    tmp_path, monkeypatch, capsys
):
    recipe = write_recipe(tmp_path)
    values = yaml.safe_load(recipe.read_text()) | {"max_steps": 1}
    recipe.write_text(yaml.safe_dump(values))
    monkeypatch.setattr(sys, "argv", ["qwen-vla", "train", "--config", str(recipe)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    printed, said = capsys.readouterr()
    checkpoint = tmp_path / "run" / "checkpoint"
    assert printed.splitlines()[-1] == (
        f"the checkpoint is in {checkpoint}; to measure it: qwen-vla evaluate --embodiment "
        f"{values['mixture'][0]['embodiment']} --checkpoint {checkpoint}"
    )
    assert "validated at step 1, " in printed
    assert re.search(r"^100 %, step 1, loss \d+\.\d+, 00:00 left$", said, re.MULTILINE)
