"""An arm's servos: what stays in their registers, how fast they go, and what each mode does."""

from pathlib import Path

import numpy as np
import pytest

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_sim.hardware.xs_driver import Modes, XsDriver, XsError
from qwen_vla_sim.registry import make_world

WIDOWX = Path(__file__).parents[3] / "embodiments" / "widowx.yaml"
START = np.array([0.0, -0.4, 0.5, 0.0, 0.9, 0.0, 0.025])
WAIST, SHOULDER = 0, 1
FIRMWARE_RAD_S = 3.1415
"""Velocity_Limit 131 (interbotix_xsarm_control/config/wx250s.yaml)."""


@pytest.fixture(scope="module")
def world():
    return make_world(load_embodiment(WIDOWX))


@pytest.fixture
def arm(world):
    arm = world.arms["wx250s"]
    for joint in ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate"):
        arm.set_torque(joint, True)
    world.reset(START, {})
    for index in range(6):
        arm.servos.set_mode(index, "position", "velocity", 0)
    return arm


@pytest.fixture
def driver(arm):
    return XsDriver(arm)


def play(world, arm, seconds):
    """Positions of the arm's joints every 10 ms."""
    positions = []
    for _ in range(round(seconds / 0.01)):
        world.step(0.01)
        positions.append(arm.positions[:6])
    return np.array(positions)


def speed(positions, joint):
    return np.abs(np.diff(positions[:, joint])).max() / 0.01


def fall(world, arm, driver, radians=0.3):
    driver.enable_torque("group", "arm", False)
    for _ in range(300):
        play(world, arm, 0.01)
        if abs(arm.positions[SHOULDER] - START[SHOULDER]) > radians:
            return
    pytest.fail("it does not fall")


def test_when_torque_comes_back_expect_the_way_to_the_last_goal_at_the_firmware_s_speed(
    world, arm, driver
):
    fall(world, arm, driver)
    driver.enable_torque("group", "arm", True)
    way = play(world, arm, 1.5)
    np.testing.assert_allclose(way[-1], START[:6], atol=0.01)
    assert 0.5 * FIRMWARE_RAD_S < speed(way, SHOULDER) < 1.1 * FIRMWARE_RAD_S


def test_when_goals_come_while_torque_is_off_expect_them_followed_once_it_is_on(
    world, arm, driver
):
    driver.enable_torque("group", "arm", False)
    driver.command_single("waist", 0.4)
    assert abs(play(world, arm, 0.2)[-1, WAIST]) < 0.05
    driver.enable_torque("group", "arm", True)
    assert play(world, arm, 1.0)[-1, WAIST] == pytest.approx(0.4, abs=0.01)


def test_when_a_goal_is_far_expect_the_firmware_s_speed(world, arm, driver):
    driver.command_single("waist", 1.5)
    way = play(world, arm, 1.5)
    assert way[-1, WAIST] == pytest.approx(1.5, abs=0.01)
    assert 0.8 * FIRMWARE_RAD_S < speed(way, WAIST) < 1.05 * FIRMWARE_RAD_S


def test_when_goals_are_streamed_expect_them_to_reach_the_physics_as_they_are(world, arm, driver):
    goal = START[:6].copy()
    for _ in range(50):  # 1.57 rad/s, what control_node allows
        goal[WAIST] += 1.57 / 50
        driver.command_group("arm", goal)
        world.step(0.02)
        assert world.data.ctrl[world.model.actuator("waist").id] == goal[WAIST]
    assert arm.positions[WAIST] == pytest.approx(goal[WAIST], abs=0.05)


@pytest.mark.parametrize(
    ("kind", "value", "seconds"), [("time", 1000, 1.0), ("velocity", 20, 1.0)]
)
def test_when_a_profile_is_set_expect_motions_to_take_its_time(
    world, arm, driver, kind, value, seconds
):
    driver.set_operating_modes("group", "arm", Modes(profile_type=kind, profile_velocity=value))
    # 20 units of 0.229 rev/min are 0.48 rad/s.
    driver.command_single("waist", 0.48)
    way = play(world, arm, 2.0)[:, WAIST]
    assert way[-1] == pytest.approx(0.48, abs=0.02)
    assert np.argmax(way > 0.45) * 0.01 == pytest.approx(seconds, abs=0.15)


def test_when_a_mode_is_changed_expect_the_arm_to_stay_and_values_in_the_new_unit(
    world, arm, driver
):
    driver.set_operating_modes("single", "waist", Modes(mode="velocity"))
    np.testing.assert_allclose(play(world, arm, 0.3)[-1], START[:6], atol=0.01)
    driver.command_single("waist", 0.5)
    assert play(world, arm, 1.0)[-1, WAIST] == pytest.approx(0.5, abs=0.05)
    driver.set_operating_modes("single", "waist", Modes(mode="pwm"))
    before = arm.positions[WAIST]
    driver.command_single("waist", -200.0)
    assert play(world, arm, 0.5)[-1, WAIST] < before - 0.05
    driver.set_operating_modes("single", "waist", Modes())
    held = play(world, arm, 0.5)[-1, WAIST]
    assert play(world, arm, 0.3)[-1, WAIST] == pytest.approx(held, abs=0.01)
    with pytest.raises(XsError, match="'telekinesis'"):
        driver.set_operating_modes("single", "waist", Modes(mode="telekinesis"))


def test_when_one_motor_of_a_group_changes_mode_expect_the_group_s_record_wrong_as_in_xs_sdk(
    driver,
):
    driver.set_operating_modes("single", "elbow", Modes(mode="velocity"))
    assert driver.robot_info("group", "arm").mode == "position"
    assert driver.robot_info("single", "elbow").mode == "velocity"
    driver.set_operating_modes("group", "arm", Modes(mode="pwm"))
    assert driver.robot_info("single", "elbow").mode == "pwm"
    assert driver.robot_info("group", "all").mode == "position"


def test_when_the_driver_starts_again_without_modes_expect_interbotix_s_defaults(driver, arm):
    arm.gripper.set_mode("current_based_position", 0.025)
    driver.start_with_defaults()
    info = driver.robot_info("group", "arm")
    assert (info.mode, info.profile_type) == ("position", "time")
    assert driver.robot_info("single", "gripper").mode == "pwm" == arm.gripper.mode


def test_when_a_motor_has_an_overload_expect_it_off_until_it_is_rebooted(driver):
    def read(register):
        return driver.read_registers("group", "arm", register)

    assert (read("Torque_Enable"), read("Hardware_Error_Status")) == ([1] * 6, [0] * 6)
    driver.overload("elbow")
    assert read("Torque_Enable") == [1, 1, 0, 1, 1, 1]
    assert read("Hardware_Error_Status") == [0, 0, 32, 0, 0, 0]
    driver.enable_torque("group", "arm", True)
    assert read("Torque_Enable")[2] == 0  # its error keeps it off
    driver.reboot_motors("group", "arm", enable=True, smart_reboot=True)
    assert (read("Torque_Enable"), read("Hardware_Error_Status")) == ([1] * 6, [0] * 6)
    driver.reboot_motors("single", "elbow", enable=False, smart_reboot=False)
    assert read("Torque_Enable") == [1, 1, 0, 1, 1, 1]
    driver.write_registers("group", "arm", "Torque_Enable", 1)
    assert read("Torque_Enable") == [1] * 6


def test_when_a_profile_is_written_expect_it_read_and_moved_by(world, arm, driver):
    driver.set_operating_modes("group", "arm", Modes(profile_type="time", profile_velocity=2000))
    assert driver.read_registers("single", "waist", "Profile_Velocity") == [2000]
    driver.write_registers("group", "arm", "Profile_Velocity", 500)
    assert driver.read_registers("group", "arm", "Profile_Velocity") == [500] * 6
    driver.command_single("waist", 0.5)
    assert play(world, arm, 0.2)[-1, WAIST] < 0.3 and play(world, arm, 0.5)[-1, WAIST] > 0.48
    driver.write_registers("single", "gripper", "Current_Limit", 300)
    assert driver.read_registers("single", "gripper", "Current_Limit") == [300]
    with pytest.raises(XsError, match="'Goal_Colour' is not simulated"):
        driver.read_registers("single", "waist", "Goal_Colour")
