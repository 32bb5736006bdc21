"""A run's folder always holds one whole save of one step, and says what is damaged."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from killed_trainings import kill_trainings
from qwen_vla_core.errors import CheckpointError, QwenVlaError
from qwen_vla_model.training.saves import (
    Progress,
    check_save,
    new_save,
    only_writer,
    refuse_overwriting,
    saved_progress,
)


def save(out, step):
    with new_save(out, Progress(step=step, elapsed_s=2.0 * step)) as folder:
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "model.safetensors").write_text(f"weights of {step}")
        (folder / "state" / "optimizer.safetensors").write_text(f"moments of {step}")
        (folder / "curve.csv").write_text(f"curve until {step}")


@pytest.fixture
def out(tmp_path):
    with only_writer(tmp_path / "run"):
        yield tmp_path / "run"


def contents(out):
    return [
        (out / name).read_text()
        for name in ("checkpoint/model.safetensors", "state/optimizer.safetensors", "curve.csv")
    ]


@pytest.mark.timeout(900)  # seconds on an idle machine, minutes on one that is busy
def test_when_trainings_are_killed_at_random_moments_expect_each_to_go_on_from_one_whole_save(
    tmp_path,
):
    """By SIGKILL, in the middle of saving most of them; test/killed_trainings.py does more."""
    steps = kill_trainings(tmp_path, 2, seed=0)
    assert len(steps) == 2 and steps == sorted(steps) and steps[-1] > 0


def test_when_a_run_is_saved_again_expect_everything_of_the_new_step_and_the_one_before_kept(out):
    assert saved_progress(out) is None
    for step in (1, 2, 3):
        save(out, step)
        assert contents(out) == [f"weights of {step}", f"moments of {step}", f"curve until {step}"]
        assert saved_progress(out) == check_save(out) == Progress(step=step, elapsed_s=2.0 * step)
    assert sorted(path.name for path in (out / "saves").iterdir()) == ["a", "b", "lock"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_when_saving_is_interrupted_expect_the_save_before_and_nothing_of_this_one(out, error):
    save(out, 1)
    with pytest.raises(error), new_save(out, Progress(step=2, elapsed_s=4.0)) as folder:
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint" / "model.safetensors").write_text("half")
        raise error
    assert contents(out)[0] == "weights of 1" and check_save(out).step == 1
    assert not folder.exists()


def test_when_the_disk_is_full_expect_one_line_and_the_save_before(out):
    save(out, 1)
    with pytest.raises(QwenVlaError, match=r"saves/b cannot be written: No space left on device"):
        with new_save(out, Progress(step=2, elapsed_s=4.0)):
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"weights")
    assert check_save(out).step == 1 and not (out / "saves" / "b").exists()


@pytest.mark.parametrize("name", ["checkpoint/model.safetensors", "curve.csv"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "cannot be read: No such file"),
        (lambda path: path.write_text("other"), "is damaged: it is not the file of step 2"),
    ],
)
def test_when_a_file_of_a_save_is_damaged_expect_its_name_and_the_way_back_to_the_save_before(
    out, name, spoil, words
):
    save(out, 1)
    save(out, 2)
    spoil(out / "latest" / name)
    with pytest.raises(CheckpointError, match=f"latest/{name} {words}") as refused:
        check_save(out)
    way_back = str(refused.value).partition("to go on from there: ")[2]
    subprocess.run(way_back, shell=True, check=True)
    assert check_save(out).step == 1 and contents(out)[0] == "weights of 1"


def test_when_the_save_before_is_damaged_too_expect_the_first_one_named_alone(out):
    save(out, 1)
    (out / "latest" / "state" / "progress.json").write_text("{}")
    with pytest.raises(CheckpointError) as refused:
        check_save(out)
    assert "latest/state/progress.json: damaged (KeyError('step'))" in str(refused.value)
    assert "\n" not in str(refused.value) and "the save before" not in str(refused.value)


@pytest.mark.parametrize("name", ["checkpoint", "state", "curve.csv", "latest"])
def test_when_a_folder_has_anything_of_a_run_expect_no_other_to_be_written_over_it(tmp_path, name):
    refuse_overwriting(tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(QwenVlaError, match="holds a run already; go on with --resume, or choose"):
        refuse_overwriting(tmp_path)


def test_when_another_process_trains_into_a_folder_expect_refusal_until_it_is_gone(tmp_path):
    program = (
        "import sys; from pathlib import Path; from qwen_vla_model.training.saves import *\n"
        "with only_writer(Path(sys.argv[1])): print(flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    other.stdout.readline()
    with pytest.raises(QwenVlaError, match="another process is training into this folder"):
        with only_writer(tmp_path):
            pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with only_writer(tmp_path):
        pass


def test_when_a_folder_cannot_be_made_expect_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(QwenVlaError, match=r"file/run cannot be written: Not a directory"):
        with only_writer(tmp_path / "file" / "run"):
            pass
