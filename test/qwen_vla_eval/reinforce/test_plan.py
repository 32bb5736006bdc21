"""What is reinforced: the plan's file, and what a comparison of rounds is worth."""

import pytest
import yaml

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import share_directory
from qwen_vla_eval.rates import lost_by_chance
from qwen_vla_eval.reinforce import describe_reinforcement, load_reinforcement

PRACTICE = {"embodiment": "embodiments/widowx.yaml", "task": "pick_up"}
PLAN = {"recipe": "recipe.yaml", "tasks": [PRACTICE], "scenes": 10, "tries": 3, "rounds": 2}


def load(folder, **changes):
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN | changes))
    return load_reinforcement(path)


@pytest.mark.parametrize(
    "path",
    sorted((share_directory() / "config" / "reinforcements").glob("*.yaml")),
    ids=lambda p: p.stem,
)
def test_when_a_shipped_plan_is_read_expect_its_recipe_beside_it(path):
    plan = load_reinforcement(path)
    assert (share_directory() / plan.recipe).is_file()
    assert plan.tasks[0].task in "\n".join(describe_reinforcement(plan, "plan.yaml"))


def test_when_rounds_are_counted_expect_scenes_that_no_other_round_and_no_comparison_has(tmp_path):
    plan = load(tmp_path)
    seeds = [seed for number in range(3) for seed in plan.seeds(number)]
    assert len(set(seeds)) == len(seeds) == 100 + 2 * 10
    assert min(seeds) >= 50_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tries": 1}, "tries"),
        ({"tasks": [PRACTICE, dict(PRACTICE)]}, "widowx_pick_up stands there twice"),
        ({"scenes": 20_000}, "at most 30000 in all rounds together"),
        ({"tris": 3}, "did you mean tries"),
    ],
)
def test_when_a_plan_is_wrong_expect_the_key(tmp_path, changes, words):
    with pytest.raises(QwenVlaError, match=words):
        load(tmp_path, **changes)


@pytest.mark.parametrize(
    ("won", "lost", "probability"),
    [(0, 0, 1.0), (0, 5, 1 / 32), (5, 0, 1.0), (3, 3, 42 / 64), (2, 8, 56 / 1024)],
)
def test_when_scenes_were_won_and_lost_expect_what_chance_would_lose(won, lost, probability):
    assert lost_by_chance(won, lost) == pytest.approx(probability)
