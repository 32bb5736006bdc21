"""Rounds of trying, learning and comparing."""

import json

import pytest
import yaml

from micro_processor import micro_processor
from noise_episodes import PATH, WIDOWX, record
from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory, share_directory
from qwen_vla_data.episode import Episode
from qwen_vla_eval.reinforce import reinforce, rounds
from qwen_vla_eval.reinforce.plan import Practice, Reinforcement
from qwen_vla_model.checkpoint import save_pretrained
from qwen_vla_model.training import validation

NAME = "widowx_pick_up"
SCENES, COMPARED = 3, 20


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """One round; a recipe of one step on noise, from a network of a few thousand parameters."""
    monkeypatch.setattr(validation, "_draw", lambda path, rows: None)  # takes longer than the rest
    model, processor = micro_processor(WIDOWX)
    save_pretrained(tmp_path / "start", model, processor.tokenizer, {}, {})
    (tmp_path / "expert").mkdir()
    for seed in range(3):
        record(tmp_path / "expert", seed)
    recipe = share_directory() / "config" / "recipes" / "reinforce_widowx.yaml"
    values = yaml.safe_load(recipe.read_text())
    values["mixture"] = [{"embodiment": str(PATH), "episodes": str(tmp_path / "expert")}]
    values |= {"start_from": str(tmp_path / "start"), "max_steps": 1, "observations": 2}
    values |= {"validation_episodes": 1, "validation_steps": 2, "precision": "float32"}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return Reinforcement(
        recipe=tmp_path / "recipe.yaml",
        tasks=(Practice(embodiment=PATH, task="pick_up"),),
        rounds=1,
        scenes=SCENES,
        compared=COMPARED,
    )


def was_there(plan, out, *, kept, before, after):
    """As if the round had been interrupted where only its training was left."""
    tried = out / "1" / f"{NAME}_tried"
    tried.mkdir(parents=True)
    for seed in plan.seeds(1):
        (tried / f"{seed}.json").write_text("{}")
    own = out / "1" / NAME
    own.mkdir()
    for number in range(kept):
        record(own, number)
    (out / "0").mkdir()
    for folder, successes in (("0", before), ("1", after)):
        episodes = [{"success": number < successes} for number in range(COMPARED)]
        (out / folder / f"{NAME}.json").write_text(json.dumps({"episodes": episodes}))


def test_when_a_round_is_interrupted_expect_it_to_go_on_and_its_own_successes_in_the_mixture(
    plan, tmp_path, capsys
):
    out = tmp_path / "out"
    was_there(plan, out, kept=2, before=10, after=16)
    checkpoint = reinforce(plan, out, workers=1)
    assert checkpoint == out / "1" / "training" / "checkpoint"
    learned = yaml.safe_load((out / "1" / "recipe.yaml").read_text())
    assert learned["start_from"] == str(tmp_path / "start")
    assert [source["episodes"] for source in learned["mixture"]] == [
        str(tmp_path / "expert"),
        str(out / "1" / NAME),
    ]
    weights = (checkpoint / "model.safetensors").read_bytes()
    assert weights != (tmp_path / "start" / "model.safetensors").read_bytes()
    said = capsys.readouterr().out
    assert "round 1 of 1" in said and "16 of 20" in said
    assert reinforce(plan, out, workers=1) == checkpoint
    assert (checkpoint / "model.safetensors").read_bytes() == weights


def test_when_a_round_harms_a_task_expect_the_weights_before_it(plan, tmp_path, capsys):
    was_there(plan, tmp_path / "out", kept=2, before=10, after=5)
    assert reinforce(plan, tmp_path / "out", workers=1) == tmp_path / "start"
    assert f"round 1 does not count: it harmed {NAME}" in capsys.readouterr().out


def test_when_hardly_a_scene_was_mixed_expect_nothing_learned_and_why(plan, tmp_path, capsys):
    was_there(plan, tmp_path / "out", kept=1, before=20, after=20)  # one is for validation
    assert reinforce(plan, tmp_path / "out", workers=1) == tmp_path / "start"
    assert "round 1 learns nothing" in capsys.readouterr().out


def test_when_there_is_no_such_task_expect_refusal(plan, tmp_path):
    wrong = plan.model_copy(update={"tasks": (Practice(embodiment=PATH, task="pick"),)})
    with pytest.raises(QwenVlaError, match="pick_up"):
        reinforce(wrong, tmp_path / "out", workers=1)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_when_scenes_are_tried_expect_successes_kept_only_where_a_try_failed(tmp_path):
    base = embodiments_directory() / "mobile_base.yaml"
    practice = Practice(embodiment=base, task="go_to")
    plan = Reinforcement(recipe="none.yaml", tasks=(practice,), scenes=6, tries=3, diverse=True)
    count = rounds._try(plan, practice, SHIPPED_CHECKPOINT, 1, tmp_path, workers=2)
    kept = sorted((tmp_path / practice.name).glob("*.npz"))
    wanted = []
    for file in (tmp_path / f"{practice.name}_tried").iterdir():
        outcome = json.loads(file.read_text())
        assert len(outcome["successes"]) == 3
        if not all(outcome["successes"]):
            won = [n for n, success in enumerate(outcome["successes"]) if success]
            wanted += [f"{outcome['seed']}_{n}.npz" for n in won]
    assert [path.name for path in kept] == sorted(wanted) and count == len(wanted)
    assert all(Episode.load(path).success for path in kept)
