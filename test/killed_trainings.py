"""Real training processes, killed with SIGKILL at random moments of their saving.

    PYTHONPATH=src:test python test/killed_trainings.py 100

Trainings are forked from a process that has imported everything, so that a kill takes seconds. The
moment is a number of changes in the run's folder: nearly all of them are made by a save.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from micro_processor import micro_processor
from noise_episodes import PATH, WIDOWX, record
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_model.checkpoint import save_pretrained
from qwen_vla_model.training import validation
from qwen_vla_model.training.saves import check_save, saved_progress
from qwen_vla_model.training.stages import train
from qwen_vla_model.training.validation import read_curve

CHANGES = 60
"""A save makes about 25, so kills are spread over two or three of them."""
DEADLINE_S = 120.0


def write_recipe(folder: Path) -> Path:
    """A run of a small network that saves and validates after every step, and is never done."""
    model, processor = micro_processor(WIDOWX)
    save_pretrained(folder / "start", model, processor.tokenizer, {}, {})
    (folder / "episodes").mkdir()
    for seed in (1, 2):
        record(folder / "episodes", seed)
    values = {
        "mixture": [{"embodiment": str(PATH), "episodes": str(folder / "episodes")}],
        "out": str(folder / "run"),
        "start_from": str(folder / "start"),
        "max_steps": 100_000,
        "observations": 1,
        "instructions": 1,
        "draws": 1,
        "tau": {"kind": "beta"},
        "learning_rates": {"vision": 1e-4, "language": 1e-4, "expert": 1e-4},
        "warmup_steps": 2,
        "validation_episodes": 1,
        "validation_steps": 1,
        "validate_every_minutes": 1e-9,
        "save_every_minutes": 1e-9,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def kill_trainings(folder: Path, kills: int, seed: int) -> list[int]:
    """Kill that many trainings of one run; returns the step that each left saved, 0 for none.

    Raises:
        AssertionError: a training left something else than one whole save of one step, or the
            next one went on from another step.
    """
    chance, recipe, run = random.Random(seed), write_recipe(folder), folder / "run"
    left = [0]
    for kill in range(kills):
        log = folder / f"{kill}.log"
        child = os.fork()
        if child == 0:
            _train(recipe, log, resume=left[-1] > 0)
        _kill_after_changes(child, run, chance.randrange(CHANGES))
        step = _saved_step(run)
        assert step >= left[-1], f"kill {kill}: step {step} after {left[-1]}"
        said = log.read_text()
        if step > left[-1]:  # it came far enough to say where it began
            going_on = f"going on from step {left[-1]}" in said
            assert going_on == (left[-1] > 0), f"kill {kill}, saved at {left[-1]}: {said}"
        left.append(step)
    return left[1:]


def _train(recipe: Path, log: Path, resume: bool) -> None:
    """In the child: begins or resumes, whatever a person would do; never returns."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    validation._draw = lambda path, rows: path.write_bytes(b"a figure")  # drawing takes seconds
    try:
        if not resume:
            try:
                train(recipe, resume=True)
            except QwenVlaError as error:
                assert "nothing to resume" in str(error)
        train(recipe, resume=resume)
    finally:
        os._exit(1)


def _kill_after_changes(child: int, run: Path, changes: int) -> None:
    deadline_s, before = time.monotonic() + DEADLINE_S, None
    while changes >= 0:
        if (now := _snapshot(run)) != before:
            before, changes = now, changes - 1
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the training ended by itself"
        assert time.monotonic() < deadline_s, "the training does not go on"
        time.sleep(0.001)  # a core less to compete with; a save takes hundreds of these
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _snapshot(run: Path) -> list[tuple[str, int]]:
    """Names and sizes of what is in a folder."""
    found = []
    for folder, _, files in os.walk(run):
        for name in files:
            path = f"{folder}/{name}"
            try:
                found.append((path, os.lstat(path).st_size))
            except FileNotFoundError:
                continue
    return sorted(found)


def _saved_step(run: Path) -> int:
    """The step that all files of the latest save are of; 0 if nothing is saved."""
    if (progress := saved_progress(run)) is None:
        return 0
    assert check_save(run) == progress
    story = json.loads((run / "checkpoint" / "training.json").read_text())
    curve = read_curve(run / "curve.csv")
    moments = load_file(run / "state" / "optimizer.safetensors")
    steps = {float(value) for key, value in moments.items() if key.endswith("/step")}
    assert {story["steps"], curve[-1]["step"], progress.step, *steps} == {progress.step}
    state = load_file(run / "state" / "model.safetensors")
    for name, tensor in load_file(run / "checkpoint" / "model.safetensors").items():
        assert torch.equal(state[f"model.{name}"].to(tensor.dtype), tensor), name
    return progress.step


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        steps = kill_trainings(Path(folder), int(sys.argv[1]), seed=random.randrange(2**31))
    print(f"{len(steps)} kills left whole saves, of steps {steps}")
