"""`qwen-vla check --live --wiggle`: a small motion of each joint, and what its answer says."""

import os
import pty
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from closed_loop import PATH, WIDOWX, ClosedLoop
from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.resources import embodiments_directory
from qwen_vla_ros.wiggle_check import (
    DWELL_S,
    RISE_S,
    WIGGLE_RAD,
    judge,
    measured,
    plan_wiggles,
    strange,
)

START_D = np.array(WIDOWX.start_D)
ELBOW = WIDOWX.joint_names.index("elbow")


def elbow(way=WIGGLE_RAD):
    return replace(plan_wiggles(WIDOWX, START_D)[ELBOW], way=way)


def answer(share, of=ELBOW):
    """The finding where ``of`` moved this share of the elbow's way."""
    one = elbow()
    there_D = START_D.copy()
    there_D[of] += share * one.way
    return judge(WIDOWX, one, START_D, there_D, "my.yaml")


@pytest.mark.parametrize(
    "path", sorted(embodiments_directory().glob("*.yaml")), ids=lambda p: p.stem
)
def test_when_a_robot_is_to_be_tried_expect_a_way_within_limits_for_all_but_a_base(path):
    robot = load_embodiment(path)
    start_D = np.array(robot.start_D)
    wiggles = plan_wiggles(robot, start_D)
    assert [one.row for one in wiggles] == [d for d, base in enumerate(robot.base_D) if not base]
    for one in wiggles:
        joint = robot.joints[one.row]
        reached = [one.target(start_D, t)[one.row] for t in np.linspace(0.0, 4.0, 401)]
        assert joint.lower <= min(reached) and max(reached) <= joint.upper, one
        assert np.ptp(reached) == pytest.approx(abs(one.way))
        assert np.abs(np.diff(reached)).max() / 0.01 < 0.1 * joint.velocity, "slow"
        others = np.delete(one.target(start_D, RISE_S), one.row)
        assert np.array_equal(others, np.delete(start_D, one.row))


def test_when_a_joint_is_sent_expect_it_there_to_rest_and_back_where_it_was():
    one = elbow()
    there = START_D[ELBOW] + one.way
    assert one.target(START_D, RISE_S)[ELBOW] == pytest.approx(there)
    assert one.target(START_D, RISE_S + DWELL_S)[ELBOW] == pytest.approx(there)
    assert np.allclose(one.target(START_D, 2.0 * (RISE_S + DWELL_S)), START_D)


def test_when_a_joint_is_near_a_limit_expect_the_way_to_lead_away_from_it():
    for end, sign in ((WIDOWX.joints[ELBOW].upper, -1), (WIDOWX.joints[ELBOW].lower, 1)):
        start_D = START_D.copy()
        start_D[ELBOW] = end
        assert np.sign(plan_wiggles(WIDOWX, start_D)[ELBOW].way) == sign


def test_when_a_person_is_asked_expect_what_there_will_be_to_see():
    words = [one.words for one in plan_wiggles(WIDOWX, START_D)]
    assert words[0].startswith("waist goes +2.0 degrees and back; the tool should go ")
    assert words[0].endswith("mm to the left"), words[0]
    assert words[5].endswith("the tool only turns")


@pytest.mark.parametrize(
    ("share", "level", "expected"),
    [
        (1.0, "ok", "sent +2.0 degrees, measured +2.0 degrees"),
        (0.5, "warning", "does not reach where it is sent"),
        (0.0, "error", "does not move: is its torque on"),
        (-1.0, "error", "it goes the other way"),
        (57.3, "error", "its joint states are in degrees"),
        (4.0, "error", "4.0 times as far"),
    ],
)
def test_when_a_joint_answers_expect_sign_unit_and_size_judged(share, level, expected):
    finding = answer(share)
    assert (finding.level, finding.about) == (level, "joint elbow")
    assert expected in finding.text and ("my.yaml" in finding.text) == (level != "ok")


def test_when_another_joint_moves_instead_expect_its_name():
    shoulder = WIDOWX.joint_names.index("shoulder")
    assert "shoulder moved instead" in answer(1.0, of=shoulder).text
    moved_D = START_D.copy()
    moved_D[shoulder] += 2.5 * WIGGLE_RAD
    assert "shoulder went +5.0 degrees while elbow" in strange(WIDOWX, elbow(), START_D, moved_D)
    assert not strange(WIDOWX, elbow(), START_D, START_D)


def test_when_a_joint_is_missing_from_the_joint_states_expect_nan_and_never_a_zero():
    positions_D = measured(WIDOWX, {"wx250s/joint_states": {"waist": 0.5}})
    assert positions_D[0] == 0.5 and np.isnan(positions_D[1:]).all()


def wiggled(answers, *arguments):
    """The command in a terminal of its own, and a person who answers each question."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", str(PATH), "--live"]
    process = subprocess.Popen(
        [*command, "--wiggle", "--seconds", "2", *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    said = b""
    watch = threading.Timer(120.0, process.kill)
    watch.start()
    try:
        while chunk := process.stdout.read1():
            said += chunk
            if said.endswith(b"Move it? "):
                question = said.split(b"Move it? ")[-2].splitlines()[-1].decode()
                joint = question.split()[0]
                os.write(ours, (answers.get(joint, "no") + "\n").encode())
    finally:
        watch.cancel()
        os.close(ours)
    return process.wait(), said.decode()


def test_when_nobody_sits_at_a_terminal_expect_refusal_before_anything_is_looked_at():
    command = [sys.executable, "-m", "qwen_vla_cli.main", "check", str(PATH), "--live", "--wiggle"]
    ended = subprocess.run(command, input="yes\n" * 9, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0 and "start it in a terminal" in ended.stderr
    assert "looking at" not in ended.stdout


@pytest.mark.timeout(180)
def test_when_a_simulated_driver_has_a_wrong_sign_expect_the_joint_named_and_only_what_was_allowed(
    ros, tmp_path
):
    with ClosedLoop(
        tmp_path, names=("sim_node", "control_node"), sim="mirrored_sim_node"
    ) as system:
        operator = system.operator
        system.expect(lambda: len(operator.commands) > 5, 60.0, "control_node runs")
        with ThreadPoolExecutor(1) as pool:  # while we watch what the driver receives
            ended = pool.submit(wiggled, {"shoulder": "yes", "wrist_rotate": "yes"})
            operator.wait(ended.done, 150.0)
        status, said = ended.result()
        assert status == 1, said
        assert "OK       joint shoulder" in said and "sent" in said, said
        assert "it goes the other way" in said, said
        assert re.findall(r"ERROR +joint (\w+)", said) == ["wrist_rotate"]
        operator.wait(lambda: False, 0.5)
        assert operator.mode.startswith("HOLD")
        moved_D = np.ptp(np.array(system.sent), axis=0)
        still = [name for d, name in enumerate(WIDOWX.joint_names[:6]) if moved_D[d] < 0.002]
        assert still == ["waist", "elbow", "forearm_roll", "wrist_angle"], moved_D
        system.check_commands()
