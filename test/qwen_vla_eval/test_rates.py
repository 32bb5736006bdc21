"""Success rates and their intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_eval.rates import difference_interval, steps_text, summarize, wilson_interval

counts = st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_when_successes_are_counted_expect_an_interval_around_the_rate(count):
    successes, n = count
    low, high = wilson_interval(successes / n, n)
    assert 0.0 <= low <= successes / n + 1e-12 and successes / n - 1e-12 <= high <= 1.0


def test_when_episodes_are_summarised_expect_mistakes_separated_from_chance():
    def episode(asked, done, instructions):
        return {"instruction": asked, "done": done, "instructions": instructions, "steps": 20} | {
            "success": asked == done
        }

    summary = summarize(
        [episode("red", "red", 2), episode("red", "blue", 2), episode("blue", None, 4)]
    )
    assert summary["success_rate"] == summary["did_another"] == summary["did_nothing"]
    assert summary["chance"] == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert summary["by_instruction"] == {"blue": [0, 1], "red": [1, 2]}
    assert steps_text(summary) == "20"
    assert steps_text(summarize([episode("blue", None, 4)])) == "none"


@given(counts, counts)
def test_when_two_rates_are_compared_expect_an_interval_around_their_difference(one, other):
    (a, n), (b, m) = one, other
    low, high = difference_interval(a / n, n, b / m, m)
    assert -1.0 <= low <= a / n - b / m + 1e-12
    assert a / n - b / m - 1e-12 <= high <= 1.0
    assert difference_interval(b / m, m, a / n, n) == pytest.approx((-high, -low))


def test_when_two_rates_are_compared_expect_newcombes_published_example():
    # Newcombe 1998, table II, example (a): 56/70 against 48/80, method 10.
    assert difference_interval(56 / 70, 70, 48 / 80, 80) == pytest.approx(
        (0.0524, 0.3339), abs=1e-4
    )
