"""A simulated robot differs by how long its measurements may be silent, and by nothing else."""

from pathlib import Path

import pytest

from qwen_vla_core.embodiment import in_simulation, load_embodiment

FILES = sorted((Path(__file__).parents[3] / "embodiments").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_when_a_robot_is_simulated_expect_three_times_the_silence_and_all_else_the_same(path):
    real = load_embodiment(path)
    simulated = in_simulation(real)
    for key in ("joint_states_s", "odometry_s"):
        silence_s = getattr(real.watchdogs, key)
        assert getattr(simulated.watchdogs, key) == (silence_s and pytest.approx(3 * silence_s))
    put_back = {"watchdogs": real.watchdogs}
    assert simulated.model_copy(update=put_back) == real
