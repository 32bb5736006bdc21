"""`qwen-vla data`: what a person sees of episodes, and every refusal is one line."""

import json
import shutil
import sys
from dataclasses import replace

import av
import numpy as np
import pytest

from full_disk import full_disk
from qwen_vla_cli.main import main
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_data.episode import Episode
from qwen_vla_data.lerobot.staging import UNFINISHED, stage
from qwen_vla_data.lerobot.validator import problems_of
from qwen_vla_data.sources import find_all
from qwen_vla_eval.data import export
from waved_episodes import EMBODIMENTS, codec_of, planned, png, teleoperated

STEPS = 12


@pytest.fixture(scope="module")
def widowx():
    return codec_of("widowx")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, widowx):
    """A folder of three episodes of a WidowX: success, failure, not judged."""
    folder = tmp_path_factory.mktemp("recorded")
    for number, success in enumerate((True, False, None)):
        episode = teleoperated(widowx, STEPS + number, seed=number, success=success)
        episode.save(folder / f"{number}.npz")
    return folder


@pytest.fixture
def data(monkeypatch, capsys):
    """Runs `qwen-vla data` in this process; returns its exit status, stdout and stderr."""

    def run(*arguments, workers=1):
        words = ["qwen-vla", "data", *map(str, arguments), "--workers", str(workers)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(data):
    """What a command says when it refuses: one line after the progress bars."""

    def run(*arguments):
        status, _, errors = data(*arguments)
        assert status == 2, errors
        lines = [line for line in errors.splitlines() if line.startswith("qwen-vla data: ")]
        assert len(lines) == 1 and "Traceback" not in errors
        return lines[0]

    return run


def test_when_info_is_asked_for_expect_each_episode_and_totals(data, recorded, tmp_path):
    status, printed, _ = data("info", recorded, "--json", tmp_path / "info.json")
    assert status == 0
    assert "3 episodes of widowx: 0.1 minutes, 39 steps" in printed
    assert "success: 1 yes, 1 no, 1 not judged" in printed
    assert "a person had the robot for 49% of the time" in printed
    assert "pick up the red block" in printed and "over_shoulder in 3, wrist in 3" in printed
    (first, *_) = json.loads((tmp_path / "info.json").read_text())["episodes"]
    assert (first["steps"], first["success"], first["sentences"]) == (STEPS, True, 1)
    assert first["rate_hz"] == pytest.approx(5.0) and first["length_s"] == pytest.approx(2.4)


def test_when_nothing_is_wrong_expect_that_said_and_exit_status_zero(data, recorded):
    status, printed, _ = data("check", recorded)
    assert (status, printed) == (0, "3 episodes of widowx: 0 findings in 0 of them\n")


def test_when_something_is_wrong_expect_file_second_and_exit_status_one(
    data, recorded, tmp_path, widowx
):
    folder = shutil.copytree(recorded, tmp_path / "harmed")
    episode = Episode.load(folder / "1.npz")
    black = png(np.zeros((48, 64, 3), np.uint8))
    wrist = (*episode.images["wrist"][:5], black, *episode.images["wrist"][6:])
    harmed = replace(episode, images={**episode.images, "wrist": wrist})
    harmed.save(folder / "1.npz")
    (folder / "2.npz").write_bytes((folder / "2.npz").read_bytes()[:300])
    status, printed, _ = data("check", folder, "--json", tmp_path / "found.json")
    assert status == 1
    first, second, *_ = printed.splitlines()
    assert first == f"{folder}/1.npz  1.0 s  camera wrist: black images (1, until 1.0 s)"
    assert second.startswith(f"{folder}/2.npz  0.0 s  not a readable episode")
    found = json.loads((tmp_path / "found.json").read_text())["findings"]
    assert [one["second"] for one in found] == [1.0, 0.0]


def test_when_exported_and_imported_expect_the_same_episodes(data, recorded, tmp_path, widowx):
    status, printed, _ = data("export", recorded, "--out", tmp_path / "set", workers=2)
    assert status == 0 and "3 episodes, 39 frames at 5 Hz (0.1 minutes), 1 tasks" in printed
    assert problems_of(tmp_path / "set") == [] and not (tmp_path / "set" / UNFINISHED).exists()
    assert data("check", tmp_path / "set")[0] == 0
    status, printed, _ = data("import", tmp_path / "set", "--out", tmp_path / "back")
    assert status == 0 and printed.startswith("3 episodes were imported, 0 were there already")
    files = sorted((tmp_path / "back").glob("*.npz"))
    for number, file in enumerate(files):
        then, now = Episode.load(recorded / f"{number}.npz"), Episode.load(file)
        np.testing.assert_array_equal(now.states_TS, then.states_TS)
        np.testing.assert_array_equal(now.commanded_TD, then.commanded_TD)
        assert now.success == then.success
    files[1].unlink()
    assert data("import", tmp_path / "set", "--out", tmp_path / "back")[1].startswith(
        "1 episodes were imported, 2 were there already"
    )


def test_when_an_export_was_interrupted_expect_it_to_go_on(data, recorded, tmp_path, monkeypatch):
    made = []

    def counted(*arguments, **options):
        made.append(arguments)
        if len(made) == 3:
            raise KeyboardInterrupt
        return stage(*arguments, **options)

    monkeypatch.setattr(export, "stage", counted)
    sources, robot = find_all([recorded]), load_embodiment(EMBODIMENTS / "widowx.yaml")
    with pytest.raises(KeyboardInterrupt):
        export.export_lerobot(sources, robot, tmp_path / "set", 1)
    status, printed, _ = data("export", recorded, "--out", tmp_path / "set")
    assert status == 0 and len(made) == 4  # the third once more, the first two were there
    assert problems_of(tmp_path / "set") == []


@pytest.mark.parametrize("command", ["export", "import"])
def test_when_the_disk_is_full_expect_one_line_and_the_same_command_to_go_on(
    data, refused, recorded, tmp_path, command
):
    source, out = recorded, tmp_path / "made"
    if command == "import":
        source = tmp_path / "set"
        assert data("export", recorded, "--out", source)[0] == 0
    with full_disk(1500):
        line = refused(command, source, "--out", out)
    assert str(out) in line and "cannot be written" in line
    status, printed, _ = data(command, source, "--out", out)
    assert status == 0 and "3 episodes" in printed
    assert not list(out.rglob("*.part*"))


def test_when_scenes_were_simulated_expect_what_is_left_out_said(data, tmp_path):
    planned(codec_of("aloha"), 5).save(tmp_path / "1.npz")
    status, printed, _ = data("export", tmp_path / "1.npz", "--out", tmp_path / "set", "--exact")
    assert status == 0 and "left out: 1 further instructions of simulated scenes" in printed


def test_when_a_film_is_asked_for_expect_a_frame_for_each_step(data, recorded, tmp_path):
    status, printed, _ = data("play", recorded, "--episode", "1", "--out", tmp_path)
    assert (status, printed) == (0, f"1 films were made, 1 are in {tmp_path}\n")
    with av.open(str(tmp_path / "1.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == STEPS + 1
    assert frames[0].std() > 20.0 and (frames[0] != frames[-1]).any()
    assert data("play", recorded, "--episode", "1", "--out", tmp_path)[1].startswith("0 films")


def test_when_quantiles_are_measured_expect_them_in_the_file_that_was_named(
    data, recorded, tmp_path
):
    mine = tmp_path / "mine.yaml"
    shutil.copy(EMBODIMENTS / "widowx.yaml", mine)
    status, printed, _ = data("quantiles", recorded, "--embodiment", mine)
    assert status == 0 and "nothing was written" in printed and "arm_dx" in printed
    assert mine.read_text() == (EMBODIMENTS / "widowx.yaml").read_text()
    assert data("quantiles", recorded, "--embodiment", mine, "--out", mine)[0] == 0
    arm = load_embodiment(mine).groups[0]
    assert arm.action_normalization.source.startswith("quantiles of 3 episodes")
    assert arm.action_normalization.q99[0] < 0.05


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("info nowhere", "nowhere: no such file or folder"),
        ("info {recorded} --embodiment wiowx", "no embodiment 'wiowx'"),
        ("info {recorded} --embodiment aloha", "recorded on widowx with 7 joints, not on aloha"),
        ("export {recorded} --out {recorded}", "0.npz; choose a new or empty folder"),
        ("export {recorded} --out {recorded}/0.npz/x", "cannot be written"),
        ("export {v2} --out {out}", "is a LeRobot dataset v2.1; convert it with LeRobot itself"),
        ("import {recorded} --out {out}", "holds episodes of this program already"),
        ("import {hdf5} --out {out}", "do not say what was done; add --instruction"),
        ("import {hdf5} --instruction x --out {out}", "is damaged, or no HDF5 file"),
        ("play {recorded} --episode 3 --out {out}", "there is no episode 3; there are 3"),
        ("quantiles {recorded} --out {recorded}", "cannot be written: Is a directory"),
    ],
)
def test_when_input_is_refused_expect_one_line(refused, recorded, tmp_path, words, says):
    (tmp_path / "v2" / "meta").mkdir(parents=True)
    (tmp_path / "v2/meta/info.json").write_text(json.dumps({"codebase_version": "v2.1"}))
    hdf5 = tmp_path / "0.hdf5"
    hdf5.write_bytes(b"no HDF5")
    places = {name: tmp_path / name for name in ("v2", "out")}
    line = refused(*words.format(recorded=recorded, hdf5=hdf5, **places).split())
    assert says in line
