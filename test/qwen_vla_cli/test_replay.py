"""`qwen-vla replay`: a policy's distance from what was done, and every refusal is one line."""

import json
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from qwen_vla_cli.main import main
from qwen_vla_core.types import ActionChunk
from qwen_vla_data.episode import Episode
from qwen_vla_data.observations import EpisodeObservations
from qwen_vla_data.sources import EpisodeSource
from qwen_vla_eval.replay import measure
from qwen_vla_eval.replay.film import PANEL_PX
from qwen_vla_eval.replay.measure import Comparison, done_of
from qwen_vla_eval.replay.report import write_report
from qwen_vla_eval.replay.summary import score_of, table, worst_moments
from waved_episodes import ROBOTS, codec_of, planned, teleoperated

STEPS = 24
OFF_AT, OFF = 5, 0.2


def compared(codec, episode, path, change=lambda step, plan_HD: plan_HD):
    """A policy that plans what was done, but for a change."""
    done_THD = done_of(episode, codec)
    here_T1D = np.where(codec.embodiment.base_D, 0.0, episode.commanded_TD)[:, None]
    plans = np.stack([change(step, plan.copy()) for step, plan in enumerate(done_THD)])
    return Comparison(
        source=EpisodeSource(path=path),
        seconds_T=np.arange(len(done_THD)) * episode.stride * codec.embodiment.action_step_s,
        errors_THD=np.abs(plans - done_THD),
        still_THD=np.abs(here_T1D - done_THD),
        plans_TPD=np.concatenate([here_T1D, plans], axis=1),
    )


def elbow_off(step, plan_HD):
    if step == OFF_AT:
        plan_HD[3:, 2] += OFF
    return plan_HD


@pytest.mark.parametrize("robot", ROBOTS)
def test_when_a_person_drove_expect_what_was_commanded_to_be_what_was_done(robot):
    codec = codec_of(robot)
    episode = teleoperated(codec, STEPS)
    done_THD = done_of(episode, codec)
    arm_D = ~np.array(codec.embodiment.base_D)
    np.testing.assert_array_equal(done_THD[2, 4][arm_D], episode.commanded_TD[7][arm_D])
    assert np.isnan(done_THD[-1]).all() and np.isfinite(done_THD[0]).all()


def test_when_an_expert_planned_expect_its_plans_to_be_what_was_done():
    codec = codec_of("aloha")
    episode = planned(codec, 4, stride=20)
    every = teleoperated(codec, 80)
    np.testing.assert_allclose(done_of(episode, codec)[1, 5], every.commanded_TD[26], atol=1e-5)


@pytest.mark.parametrize("robot", ["widowx", "widowx_mobile"])
def test_when_only_states_are_known_expect_positions_that_have_them(robot):
    codec = codec_of(robot)
    episode = replace(teleoperated(codec, STEPS), positions_TD=None)
    seen = EpisodeObservations(episode, codec).at(7)
    np.testing.assert_allclose(codec.state(seen.positions_D), episode.states_TS[7], atol=2e-3)
    assert seen.stamp_s == episode.stamps_T[7] and seen.instruction == "pick up the red block"
    assert seen.images["wrist"].shape == (48, 64, 3)


def test_when_one_chunk_is_off_expect_it_worst_with_its_joint_and_step(tmp_path):
    codec = codec_of("widowx")
    episode = teleoperated(codec, STEPS)
    episode.save(tmp_path / "one.npz")
    one = compared(codec, episode, tmp_path / "one.npz", elbow_off)
    worst, *_ = worst_moments([one], codec.embodiment, 3)
    assert (worst.step, worst.joint, worst.chunk_step) == (OFF_AT, "elbow", 4)
    assert worst.second == pytest.approx(OFF_AT * 0.2) and worst.error == pytest.approx(OFF)
    assert int(np.nanargmax(score_of(one, codec.embodiment))) == OFF_AT
    rows = {row[0]: row for row in table([one], codec.embodiment).rows}
    known = np.isfinite(one.errors_THD[:, -1, 2]).sum()
    assert float(rows["elbow, rad"][4]) == pytest.approx(OFF / known, abs=1e-4)
    assert rows["waist, rad"][1:6] == ("0.0000",) * 5  # as it was done
    shown = write_report(tmp_path / "out", [one], codec.embodiment, "a policy")
    assert shown[0] == "a policy on 24 observations of 1 episodes"
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["worst"][0]["what"].startswith("1.0 s: elbow 0.2 rad off after 4 steps")
    for image in ("errors.png", "worst.png"):
        assert cv2.imread(str(tmp_path / "out" / image)).std() > 10.0
    report = (tmp_path / "out" / "report.md").read_text()
    assert "errors.png" in report and "worst.mp4" in report
    film = cv2.VideoCapture(str(tmp_path / "out" / "worst.mp4"))
    frames = [film.read()[1] for _ in range(STEPS)]
    assert not film.read()[0] and film.get(cv2.CAP_PROP_FPS) == codec.embodiment.action_hz
    panels = np.stack(frames[:16]).astype(float)[:, -PANEL_PX:]
    assert panels.std(axis=0).max() > 40.0, "the plan moves"
    assert (panels.min(axis=-1) > 180.0).any(), "what was done is white"


class Copying:
    """A policy that says what was done at the observation's stamp."""

    def __init__(self, codec, episode):
        self._step_s = codec.embodiment.action_step_s
        self._stamps_T, self._done = episode.stamps_T, done_of(episode, codec)

    def reseed(self, seed):
        pass

    def plan(self, seen, prefix=None):
        step = int(np.abs(self._stamps_T - seen.stamp_s).argmin())
        positions_TD = np.concatenate([seen.commanded_D[None], self._done[step]])
        return ActionChunk(
            stamp_s=seen.stamp_s,
            step_s=self._step_s,
            positions_TD=positions_TD,
            velocities_TD=np.zeros_like(positions_TD),
        )


def test_when_a_policy_does_what_was_done_expect_no_error_and_that_of_standing_still(
    tmp_path, monkeypatch
):
    codec = codec_of("widowx")
    teleoperated(codec, STEPS).save(tmp_path / "one.npz")
    source = EpisodeSource(path=tmp_path / "one.npz")
    episode = Episode.load(source.path)
    monkeypatch.setattr(measure, "_codec", codec, raising=False)
    monkeypatch.setattr(measure, "_policy", Copying(codec, episode), raising=False)
    own, still, plans = measure._ask(measure._Block(source=source, first=0, last=STEPS))
    assert np.nanmax(own) < 1e-9 and np.nanmax(still) > 0.05
    np.testing.assert_allclose(plans[:, 0], episode.commanded_TD, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("nowhere", "nowhere: no such file or folder"),
        ("{file} --checkpoint {file}", "is an episode, not a policy that plans"),
        ("{file} --checkpoint {folder}", "checkpoint"),
        ("{file} --embodiment aloha", "recorded on widowx with 7 joints, not on aloha"),
        ("{file} {file}", "was named twice"),
    ],
)
def test_when_it_is_refused_expect_one_line(monkeypatch, capsys, tmp_path, words, says):
    file = tmp_path / "one.npz"
    teleoperated(codec_of("widowx"), 4).save(file)
    arguments = words.format(file=file, folder=tmp_path).split()
    out = ["--out", str(tmp_path / "out"), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["qwen-vla", "replay", *arguments, *out])
    with pytest.raises(SystemExit) as end:
        main()
    errors = capsys.readouterr().err
    (line,) = [line for line in errors.splitlines() if line.startswith("qwen-vla replay: ")]
    assert end.value.code == 2 and says in line and "Traceback" not in errors
    assert not (tmp_path / "out").exists()
