"""The level and the words of policy_node's diagnostics."""

import pytest

from qwen_vla_ros import diagnostics
from qwen_vla_ros.policy_report import status

EAGER = {"path": "eager", "eager_fallbacks": 0, "why_eager": "no graphs on cpu"}
FELL_BACK = EAGER | {"eager_fallbacks": 1, "why_eager": "a prompt of 300 tokens"}
SLOW, LATE = "install flash-linear-attention", "chunks come 0.7 s late"


@pytest.mark.parametrize(
    ("problem", "lacking", "late", "model", "level", "message"),
    [
        ("", "", "", EAGER, diagnostics.OK, "running"),
        ("no image", "", "", EAGER, diagnostics.ERROR, "no image"),
        ("no image", SLOW, "", EAGER, diagnostics.ERROR, f"no image; {SLOW}"),
        ("no image", "", LATE, EAGER, diagnostics.ERROR, f"no image; {LATE}"),
        ("", SLOW, "", EAGER, diagnostics.ERROR, SLOW),
        ("", "", LATE, EAGER, diagnostics.WARN, LATE),
        (
            "",
            "",
            "",
            FELL_BACK,
            diagnostics.WARN,
            "slow, not as prepared: a prompt of 300 tokens",
        ),
        ("", "", "", {"path": "graph", "eager_fallbacks": 1}, diagnostics.OK, "running"),
    ],
)
def test_when_something_is_slow_or_wrong_expect_its_level_and_words(
    problem, lacking, late, model, level, message
):
    assert status(problem, lacking, late, model) == (level, message)
