"""Bars, tables and the figure, with made-up numbers."""

import numpy as np
import pytest

from qwen_vla_eval.rates import summarize
from qwen_vla_eval.report.bars import judge
from qwen_vla_eval.report.chart import draw_chart
from qwen_vla_eval.report.plan import Bars, Plan, Variant
from qwen_vla_eval.report.tables import bars_table, mistakes_table, section_table

PLAN = Plan.model_validate(
    {
        "checkpoints": {"all": "a", "one": "b"},
        "robots": {
            "arm": {"tasks": ["pick", "put"], "wrong_sentence": "base"},
            "base": {"tasks": ["go"], "wrong_sentence": "arm"},
        },
        "sections": [
            {"title": "shifts", "checkpoints": ["all"], "shifts": ["in_distribution", "colour"]},
            {"title": "who", "checkpoints": ["all", "one"]},
        ],
        "bars": {
            "checkpoint": "all",
            "at_least": {"arm": {"pick": 0.8}, "base": {"go": 0.9}},
            "mean_out_of_distribution": 0.5,
            "as_good_as": "one",
            "largest_mb": 60,
        },
    }
)
WHERE = (("arm", "pick"), ("arm", "put"), ("base", "go"))


def summary(successes, n=50):
    return summarize(
        [
            {
                "instruction": "do it",
                "instructions": 2,
                "done": "do it" if i < successes else None,
                "success": i < successes,
                "steps": 12,
            }
            for i in range(n)
        ]
    )


def results(own, shifted, other):
    """Successes of 50 for each robot and task: in distribution, shifted, of the other weights."""
    variants = (
        Variant(checkpoint="all"),
        Variant(checkpoint="all", shift="colour"),
        Variant(checkpoint="one"),
    )
    return {
        (*where, variant): summary(count)
        for variant, counts in zip(variants, (own, shifted, other), strict=True)
        for where, count in zip(WHERE, counts, strict=True)
    }


def verdicts(own=(45, 45, 45), shifted=(30, 30, 30), other=(45, 45, 45), size_mb=23.0):
    return judge(PLAN.bars, results(own, shifted, other), {"all": size_mb, "one": 99.0})


def met(found):
    return {verdict.bar: verdict.met for verdict in found}


def test_when_every_bar_is_reached_expect_all_of_them_met_and_none_forgotten():
    assert met(verdicts()) == {
        "arm pick at least 80 %": True,
        "base go at least 90 %": True,
        "mean out of distribution at least 50 %": True,
        "arm pick as good as one": True,
        "arm put as good as one": True,
        "base go as good as one": True,
        "at most 60 MB": True,
    }


@pytest.mark.parametrize(
    ("measured", "missed"),
    [
        ({"own": (39, 45, 45), "other": (39, 45, 45)}, "arm pick at least 80 %"),
        ({"shifted": (24, 30, 20)}, "mean out of distribution at least 50 %"),
        ({"own": (45, 20, 45), "other": (45, 40, 45)}, "arm put as good as one"),
        ({"size_mb": 60.1}, "at most 60 MB"),
    ],
)
def test_when_one_bar_is_missed_expect_that_one_alone(measured, missed):
    assert [bar for bar, reached in met(verdicts(**measured)).items() if not reached] == [missed]


def test_when_a_difference_may_be_chance_expect_as_good():
    found = {v.bar: v for v in verdicts(own=(43, 45, 45), other=(46, 45, 45))}
    verdict = found["arm pick as good as one"]
    assert verdict.met and verdict.measured == pytest.approx(-0.06)
    assert verdict.interval[0] < -0.06 < 0.0 < verdict.interval[1]


def test_when_the_mean_is_taken_expect_only_shifts_as_they_are():
    made_up = results((50, 50, 50), (10, 20, 30), (50, 50, 50))
    made_up["arm", "pick", Variant(checkpoint="all", shift="colour", sentence="none")] = summary(0)
    found = {v.bar: v for v in judge(PLAN.bars, made_up, {"all": 1.0})}
    assert found["mean out of distribution at least 50 %"].measured == pytest.approx(0.4)


def test_when_nothing_of_a_bar_was_measured_expect_no_verdict():
    bars = Bars(checkpoint="all", at_least={"arm": {"pick": 0.8}}, mean_out_of_distribution=0.5)
    assert judge(bars, {}, {}) == []


def test_when_tables_are_written_expect_rates_intervals_and_numbers_of_episodes():
    made_up = results((45, 40, 50), (30, 30, 0), (45, 40, 50))
    shifts = section_table(PLAN.sections[0], PLAN, made_up).markdown()
    assert "|  | in distribution | colour |" in shifts
    assert "| arm pick | 90 % (79 to 96), n 50 | 60 % (46 to 72), n 50 |" in shifts
    assert "| base go | 100 % (93 to 100), n 50 | 0 % (0 to 7), n 50 |" in shifts
    every = mistakes_table(made_up).markdown()
    assert "| base go: all, colour | 0 of 50 | 50 % | 0 % | 100 % | none |" in every
    bars = bars_table(verdicts(own=(39, 45, 45), other=(39, 45, 45))).markdown()
    assert "| arm pick at least 80 % | 78 % (65 to 87) | **not met** |" in bars
    assert "| at most 60 MB | 23.0 MB | met |" in bars


def test_when_the_figure_is_drawn_expect_a_row_for_each_section(tmp_path):
    cv2 = pytest.importorskip("cv2")
    made_up = results((45, 40, 50), (30, 30, 0), (45, 40, 50))
    heights = []
    for count in (1, 2):
        plan = PLAN.model_copy(update={"sections": PLAN.sections[:count]})
        draw_chart(tmp_path / "success.png", plan, made_up)
        figure = cv2.imread(str(tmp_path / "success.png"))
        heights.append(figure.shape[0])
        assert figure.shape[1] == 1000 and np.ptp(figure) == 255
    assert heights[1] - heights[0] == 250
