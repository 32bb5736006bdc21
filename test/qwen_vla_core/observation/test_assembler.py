"""An observation is fresh, complete and in step, or the stream at fault is named."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_vla_core.observation import (
    CameraSpec,
    Fault,
    Instant,
    JointsSpec,
    ObservationAssembler,
    Refusal,
    SampleVerdict,
)
from qwen_vla_core.types import Observation

NAMES = ("left", "right")
START_S = 1000.0


def rgb_image(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)


class Robot:
    """Two cameras, one of them optional, and two arms with a joint state topic each, on which
    their joint has the same name."""

    def __init__(self, **camera):
        self.assembler = ObservationAssembler(
            cameras=[
                CameraSpec(name="ego", max_age_s=0.5, **camera),
                CameraSpec(name="wrist", max_age_s=0.5, optional=True),
            ],
            joint_streams=[
                JointsSpec(name="right_arm", max_age_s=0.1, joints=("waist",), rows=(1,)),
                JointsSpec(name="left_arm", max_age_s=0.1, joints=("waist",), rows=(0,)),
            ],
            joint_names=NAMES,
            max_skew_s=0.2,
        )
        self.ros_s, self.steady_s, self.frames = START_S, 50.0, 0

    @property
    def now(self):
        return Instant(ros_s=self.ros_s, steady_s=self.steady_s)

    def wait(self, seconds):
        self.ros_s += seconds
        self.steady_s += seconds

    def see(self, name="ego", age_s=0.0, image=None):
        self.frames += 1
        image = rgb_image(self.frames) if image is None else image
        return self.assembler.add_image(name, image, stamp_s=self.ros_s - age_s, now=self.now)

    def feel(self, left=1.0, right=2.0, age_s=0.0):
        stamp_s = self.ros_s - age_s
        left_report = self.assembler.add_joints(
            "left_arm", ["waist"], [left], stamp_s=stamp_s, now=self.now
        )
        self.assembler.add_joints(
            "right_arm", ["x", "waist"], [9.0, right], stamp_s=stamp_s, now=self.now
        )
        return left_report

    def send(self, left=0.5, right=0.6, age_s=0.0):
        return self.assembler.add_command(
            ["right", "left"], [right, left], stamp_s=self.ros_s - age_s, now=self.now
        )

    def all(self):
        self.see("ego"), self.see("wrist"), self.feel(), self.send()
        return self

    def look(self):
        return self.assembler.assemble("pick up the cube", self.now)

    def faults(self):
        answer = self.look()
        return {(r.stream, r.fault) for r in answer.reasons} if type(answer) is Refusal else set()


def test_when_everything_is_fresh_expect_an_observation_in_embodiment_order():
    observation = Robot().all().look()
    assert isinstance(observation, Observation)
    assert observation.stamp_s == START_S and list(observation.images) == ["ego", "wrist"]
    np.testing.assert_array_equal(observation.images["ego"], rgb_image(1))
    np.testing.assert_array_equal(observation.positions_D, [1.0, 2.0])
    np.testing.assert_array_equal(observation.commanded_D, [0.5, 0.6])
    assert observation.instruction == "pick up the cube"


def test_when_nothing_came_expect_every_stream_named():
    answer = Robot().look()
    assert {r.stream for r in answer.reasons} == {"ego", "left_arm", "right_arm", "command"}
    assert {r.fault for r in answer.reasons} == {Fault.MISSING}
    assert "ego: nothing received yet, limit 0.500 s" in str(answer)


def test_when_a_camera_falls_silent_expect_it_named_with_age_and_limit():
    robot = Robot().all()
    robot.wait(0.51)
    robot.feel(), robot.send(), robot.see("wrist")
    assert str(robot.look()) == "ego: 0.510 s old, limit 0.500 s"


def test_when_joint_states_fall_silent_expect_a_refusal_after_their_limit():
    robot = Robot().all()
    robot.wait(0.09)
    assert not robot.faults()
    robot.wait(0.02)
    assert robot.faults() == {("left_arm", Fault.OLD), ("right_arm", Fault.OLD)}


def test_when_the_image_was_late_on_its_way_expect_the_header_age_to_count():
    robot = Robot()
    robot.see(age_s=0.6), robot.feel(), robot.send()
    assert robot.faults() == {("ego", Fault.OLD)}
    assert robot.assembler.ages_s(robot.now)["ego"] == pytest.approx(0.6)
    assert robot.assembler.ages_s(robot.now)["wrist"] == math.inf


def test_when_ros_time_stands_still_expect_the_receive_age_to_count():
    robot = Robot().all()
    robot.steady_s += 1.0
    assert ("ego", Fault.OLD) in robot.faults()


@pytest.mark.parametrize("age_s", [0.0, 0.01])
def test_when_a_stamp_does_not_rise_expect_silence(age_s):
    robot = Robot().all()
    stamp_s = robot.ros_s
    for _ in range(6):
        robot.wait(0.1)
        report = robot.assembler.add_image(
            "ego", rgb_image(9), stamp_s=stamp_s - age_s, now=robot.now
        )
        assert report.verdict is SampleVerdict.REPEATED
        robot.feel(), robot.send()
    assert robot.faults() == {("ego", Fault.OLD)}


def test_when_pixels_stay_identical_for_two_seconds_expect_a_frozen_camera_until_they_change():
    robot, still = Robot(), rgb_image(7)
    frozen_from_s = None
    for _ in range(80):
        robot.see(image=still.copy()), robot.feel(), robot.send()
        if frozen_from_s is None and robot.faults() == {("ego", Fault.FROZEN)}:
            frozen_from_s = robot.ros_s - START_S
        robot.wait(1 / 30)
    assert 2.0 < frozen_from_s <= 2.0 + 1.01 / 30
    robot.see(image=rgb_image(8)), robot.feel(), robot.send()
    assert not robot.faults()


def test_when_a_simulated_camera_stands_still_expect_no_complaint():
    robot, still = Robot(frozen_after_s=None), rgb_image(7)
    for _ in range(100):
        robot.see(image=still), robot.feel(), robot.send()
        assert not robot.faults()
        robot.wait(1 / 30)


def test_when_streams_are_out_of_step_expect_the_lagging_one_named():
    robot = Robot()
    robot.see(age_s=0.3), robot.feel(age_s=0.05), robot.send(age_s=0.4)
    assert robot.faults() == {("ego", Fault.SKEWED)}
    assert str(robot.look()).startswith("ego: 0.250 s behind")


@pytest.mark.parametrize("trouble", ["missing", "old", "skewed"])
def test_when_an_optional_camera_is_unusable_expect_it_left_out(trouble):
    robot = Robot()
    if trouble != "missing":
        robot.see("wrist", age_s=0.6 if trouble == "old" else 0.3)
    robot.see(), robot.feel(), robot.send()
    assert list(robot.look().images) == ["ego"]


def test_when_a_stamp_is_far_in_the_future_expect_the_sample_refused():
    robot = Robot()
    assert robot.see(age_s=-0.051).verdict is SampleVerdict.FUTURE
    assert robot.see(age_s=-0.049).verdict is SampleVerdict.ACCEPTED
    assert robot.see(age_s=math.nan).verdict is SampleVerdict.FUTURE


def test_when_a_driver_sets_no_stamps_expect_the_receive_time_and_one_warning():
    robot = Robot()
    verdicts = []
    for seed in range(3):
        robot.wait(0.1)
        report = robot.assembler.add_image("ego", rgb_image(seed), stamp_s=0.0, now=robot.now)
        verdicts.append(report.verdict)
    assert verdicts == [SampleVerdict.UNSTAMPED, SampleVerdict.ACCEPTED, SampleVerdict.ACCEPTED]
    robot.feel(), robot.send(age_s=0.1)
    assert robot.look().stamp_s == robot.ros_s


def test_when_ros_time_goes_back_expect_all_flushed_one_report_and_then_a_fresh_start():
    robot = Robot().all()
    robot.ros_s -= 10.0
    robot.steady_s += 0.02
    robot.all()  # samples after the jump are taken, though their stamps are lower
    answer = robot.look()
    assert [r.fault for r in answer.reasons] == [Fault.TIME_WENT_BACK]
    assert "back by 10.000 s" in str(answer)
    assert robot.look().stamp_s == START_S - 10.0
    robot.ros_s -= 10.0
    assert robot.faults() == {("clock", Fault.TIME_WENT_BACK)}
    assert ("ego", Fault.MISSING) in robot.faults()


def test_when_ros_time_jumps_forward_expect_old_samples_refused():
    robot = Robot().all()
    robot.ros_s += 60.0
    assert {fault for _, fault in robot.faults()} == {Fault.OLD}


def test_when_callbacks_overtake_each_other_expect_nothing_flushed():
    robot = Robot().all()
    robot.ros_s -= 0.04
    assert not robot.faults()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_when_a_joint_state_is_not_finite_expect_it_refused_and_a_refusal_if_it_persists(bad):
    robot = Robot().all()
    robot.wait(0.06)
    report = robot.feel(left=bad)
    assert report.verdict is SampleVerdict.MALFORMED and "left" in report.reason
    assert not robot.faults()
    robot.wait(0.06)
    robot.feel(left=bad)
    assert robot.faults() == {("left_arm", Fault.OLD)}


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_when_an_image_is_no_rgb_image_expect_it_refused(image):
    assert Robot().see(image=image).verdict is SampleVerdict.MALFORMED


def test_when_images_are_older_than_commands_expect_what_was_commanded_back_then():
    robot = Robot()
    robot.send(left=0.1), robot.wait(0.1)
    robot.send(left=0.2), robot.wait(0.1)
    robot.send(left=0.3), robot.feel(), robot.see(age_s=0.05), robot.see("wrist", age_s=0.04)
    observation = robot.look()
    assert observation.stamp_s == pytest.approx(robot.ros_s - 0.05)
    assert observation.commanded_D[0] == 0.2


def test_when_nothing_had_been_commanded_by_then_expect_a_refusal():
    robot = Robot()
    robot.see(age_s=0.1), robot.feel(), robot.send()
    assert robot.faults() == {("command", Fault.NO_COMMAND)}


def test_when_the_control_node_falls_silent_expect_a_refusal():
    robot = Robot().all()
    robot.wait(0.51)
    robot.see(), robot.feel()
    assert robot.faults() == {("command", Fault.OLD)}


@pytest.mark.parametrize(
    "change, complaint",
    [
        ({"joint_names": ("left", "right", "waist")}, "must each be read once"),
        ({"joint_streams": []}, "must each be read once"),
        ({"unmeasured_rows": (1,)}, "must each be read once"),
        ({"cameras": [CameraSpec(name="left_arm", max_age_s=1.0)]}, "must differ"),
        ({"cameras": [CameraSpec(name="command", max_age_s=1.0)]}, "must differ"),
        ({"cameras": [CameraSpec(name="ego", max_age_s=0.0)]}, "ego: a limit of 0.0 s"),
        ({"cameras": [CameraSpec(name="ego", max_age_s=math.nan)]}, "ego: a limit of nan s"),
        (
            {"cameras": [CameraSpec(name="ego", max_age_s=1.0, frozen_after_s=0.0)]},
            "ego: a limit of 0.0 s",
        ),
        ({"max_skew_s": 0.0}, "max_skew_s"),
    ],
)
def test_when_the_streams_make_no_sense_expect_an_error(change, complaint):
    good = {
        "cameras": [CameraSpec(name="ego", max_age_s=0.5)],
        "joint_streams": [JointsSpec(name="left_arm", max_age_s=0.1, joints=NAMES, rows=(0, 1))],
        "joint_names": NAMES,
        "max_skew_s": 0.2,
    }
    ObservationAssembler(**good)
    with pytest.raises(ValueError, match=complaint):
        ObservationAssembler(**{**good, **change})


def test_when_a_base_has_no_joint_states_expect_zeros_in_its_place():
    assembler = ObservationAssembler(
        cameras=[CameraSpec(name="ego", max_age_s=0.5)],
        joint_streams=[JointsSpec(name="arm", max_age_s=0.1, joints=("waist",), rows=(3,))],
        joint_names=("base_x", "base_y", "base_yaw", "waist"),
        unmeasured_rows=(0, 1, 2),
        max_skew_s=0.2,
    )
    now = Instant(ros_s=START_S, steady_s=50.0)
    assembler.add_image("ego", rgb_image(), stamp_s=START_S, now=now)
    assembler.add_joints("arm", ["waist"], [0.7], stamp_s=START_S, now=now)
    names = ["waist", "base_x", "base_y", "base_yaw"]
    assembler.add_command(names, [0.6, 0.0, 0.0, 0.0], stamp_s=START_S, now=now)
    observation = assembler.assemble("go", now)
    np.testing.assert_array_equal(observation.positions_D, [0.0, 0.0, 0.0, 0.7])
    np.testing.assert_array_equal(observation.commanded_D, [0.0, 0.0, 0.0, 0.6])


happenings = st.tuples(
    st.sampled_from(["ego", "wrist", "joints", "command"]),
    st.floats(-0.2, 0.8),  # age of the sample
    st.floats(0.0, 0.15),  # time that passes afterwards
    st.sampled_from([0.0, 0.0, 0.0, -5.0, 5.0]),  # jump of ROS time
)


@settings(max_examples=150, deadline=None)
@given(st.lists(happenings, max_size=40))
def test_when_samples_come_in_any_way_expect_only_fresh_observations_in_step(events):
    robot = Robot()
    came = {}  # image bytes -> (stamp, steady time of receipt), kept apart from the assembler
    for what, age_s, wait_s, jump_s in events:
        stamp_s = robot.ros_s - age_s
        if what in ("ego", "wrist"):
            robot.see(what, age_s)
            came[rgb_image(robot.frames).tobytes()] = (stamp_s, robot.steady_s)
        elif what == "joints":
            robot.feel(age_s=age_s)
        else:
            robot.send(age_s=age_s)
        answer = robot.look()
        if isinstance(answer, Observation):
            seen = [came[image.tobytes()] for image in answer.images.values()]
            stamps_s = [stamp_s for stamp_s, _ in seen]
            assert "ego" in answer.images and answer.stamp_s == min(stamps_s)
            assert max(stamps_s) - min(stamps_s) <= 0.2
            for stamp_s, steady_s in seen:
                assert -0.05 - 0.05 <= robot.ros_s - stamp_s <= 0.5
                assert robot.steady_s - steady_s <= 0.5
        else:
            assert answer.reasons
        robot.wait(wait_s)
        robot.ros_s += jump_s


def test_when_a_camera_has_history_expect_its_past_images_in_the_observation():
    robot = Robot(history_s=(0.1, 0.2))
    for _ in range(4):
        robot.all()
        robot.wait(0.1)
    robot.feel(), robot.send()
    observation = robot.look()
    assert set(observation.history) == {"ego"}  # and the wrist camera has none
    shown = [*observation.history["ego"], observation.images["ego"]]
    for image, frame in zip(shown, (3, 5, 7), strict=True):
        np.testing.assert_array_equal(image, rgb_image(frame))


def test_when_an_image_is_refused_expect_it_not_to_become_history():
    robot = Robot(history_s=(0.1,)).all()
    robot.see("ego", age_s=0.3)  # out of order
    robot.see("ego", age_s=-3.0)  # from the future
    (past,) = robot.look().history["ego"]
    np.testing.assert_array_equal(past, rgb_image(1))


def test_when_ros_time_goes_back_expect_no_history_from_before():
    robot = Robot(history_s=(0.05,)).all()  # image 1, at START_S
    robot.ros_s -= 0.2
    robot.all().look()
    robot.wait(0.25)
    observation = robot.all().look()  # image 5, 0.05 s after image 1
    np.testing.assert_array_equal(observation.history["ego"][0], rgb_image(5))
