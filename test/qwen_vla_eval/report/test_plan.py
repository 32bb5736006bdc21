"""A report's plan: what it lists, what it refuses, and the cells that follow from it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from qwen_vla_core.errors import QwenVlaError
from qwen_vla_core.resources import SHIPPED_CHECKPOINT, embodiments_directory, share_directory
from qwen_vla_eval.report.cells import Store, enumerate_cells
from qwen_vla_eval.report.measure import measure_cells
from qwen_vla_eval.report.plan import Plan, Variant, load_plan

SHIFTS = ["in_distribution", "colour", "instance", "position", "background", "instruction"]
FULL = {
    "checkpoints": {
        "generalist": "shipped",
        "specialist": {"widowx": "shipped"},
        "no_t2a": "shipped",
    },
    "robots": {"widowx": {"tasks": ["pick_up", "put_on_plate"], "wrong_sentence": "aloha"}},
    "sections": [
        {"title": "shifts", "checkpoints": ["generalist"], "shifts": SHIFTS},
        {"title": "specialists", "checkpoints": ["generalist", "specialist"]},
        {"title": "T2A", "checkpoints": ["generalist", "no_t2a"]},
        {
            "title": "sentence",
            "checkpoints": ["generalist"],
            "sentences": ["right", "wrong", "none"],
        },
        {"title": "ROS", "checkpoints": ["generalist"], "ros": [False, True]},
    ],
}


def plan(**changes):
    return Plan.model_validate(FULL | changes)


def section(**changes):
    return [FULL["sections"][0], {"title": "other", "checkpoints": ["generalist"]} | changes]


def test_when_sections_share_cells_expect_each_cell_once():
    cells = enumerate_cells(plan())
    # In distribution, five shifts, specialist, without T2A, two sentences, ROS; of two tasks.
    assert len(cells) == len(set(cells.values())) == 2 * (1 + 5 + 1 + 1 + 2 + 1)
    assert len({cell.key for cell in cells.values()}) == 2 * (1 + 5 + 2 + 1)  # same weights here
    assert len({cell.name for cell in cells.values()}) == len(cells)


def test_when_a_sentence_is_wrong_or_none_expect_another_robots_or_no_file():
    folder, cells = embodiments_directory(), enumerate_cells(plan())
    told = {
        sentence: cells[
            "widowx", "pick_up", Variant(checkpoint="generalist", sentence=sentence)
        ].case.prompt_embodiment
        for sentence in ("right", "wrong", "none")
    }
    assert told == {"right": folder / "widowx.yaml", "wrong": folder / "aloha.yaml", "none": None}


def test_when_only_one_thing_varies_expect_it_alone_in_the_names_of_the_columns():
    named = [list(each.variants.values()) for each in plan().sections]
    assert named == [
        ["in distribution", *SHIFTS[1:]],
        ["generalist", "specialist"],
        ["generalist", "no_t2a"],
        ["right sentence", "wrong sentence", "no sentence"],
        ["directly", "through ROS"],
    ]


def test_when_weights_change_expect_other_keys_and_no_change_for_a_note_on_training(tmp_path):
    shipped, copy, noted = SHIPPED_CHECKPOINT, tmp_path / "copy", tmp_path / "noted"
    for folder in (copy, noted):
        folder.mkdir()
        for file in shipped.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    (noted / "training.json").write_text("{}")
    checkpoints = FULL["checkpoints"] | {"specialist": str(copy), "no_t2a": str(noted)}
    cells = enumerate_cells(plan(checkpoints=checkpoints))
    keys = [cells["widowx", "pick_up", Variant(checkpoint=label)].key for label in checkpoints]
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checkpoints": FULL["checkpoints"] | {"no_t2a": "nowhere"}}, "'no_t2a': 'nowhere'"),
        ({"checkpoints": FULL["checkpoints"] | {"specialist": {}}}, "'specialist': there is none"),
        ({"robots": {"aloha": {"tasks": ["pick_up_cube"], "wrong_sentence": "widowx"}}}, "aloha"),
        ({"robots": {"widowx": {"tasks": ["juggle"], "wrong_sentence": "aloha"}}}, "juggle"),
        ({"robots": {"widowx": {"tasks": ["pick_up"], "wrong_sentence": "car"}}}, "car"),
        ({"sections": section(shifts=["gravity"])}, "gravity: there are in_distribution"),
        ({"seed": 9_960}, "10009 is among those of training"),
    ],
)
def test_when_something_does_not_exist_expect_its_name_before_anything_runs(changes, words):
    with pytest.raises(QwenVlaError, match=words):
        enumerate_cells(plan(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sections": section(checkpoints=["genealist"])}, "none called genealist"),
        ({"sections": section(sentences=["right", "none"], ros=[True])}, "always the right one"),
        (
            {"sections": section(shifts=["colour"])[1:]},
            "sections: none has 'generalist' in distrib",
        ),
        (
            {"bars": {"checkpoint": "generalist", "at_least": {"car": {"go": 0.9}}}},
            "car: go: not among",
        ),
        ({"bars": {"checkpoint": "generalist", "as_good_as": "others"}}, "none called others"),
        ({"episodes": 0}, "episodes"),
        ({"epsiodes": 50}, "epsiodes"),
    ],
)
def test_when_a_plan_contradicts_itself_expect_refusal_with_the_file(tmp_path, changes, words):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(FULL | changes))
    with pytest.raises(QwenVlaError, match=f"plan.yaml.*\n?(.*\n)*.*{words}"):
        load_plan(path)


def test_when_the_shipped_plan_is_read_expect_everything_in_it_to_exist():
    shipped = load_plan(share_directory() / "config" / "reports" / "report.yaml")
    assert shipped.episodes >= 50 and enumerate_cells(shipped)
    compared = load_plan(share_directory() / "config" / "reports" / "comparisons.yaml")
    assert (compared.episodes, compared.robots) == (shipped.episodes, shipped.robots)


def test_when_a_report_was_interrupted_expect_only_what_lacks_to_be_run(tmp_path, monkeypatch):
    ran = []

    def run(case, scenes, workers):
        for scene in scenes:
            ran.append((case.prompt_embodiment, scene.shift.value, scene.seed))
            if len(ran) == 5:
                raise KeyboardInterrupt
            yield episode(scene)

    def episode(scene):
        done = scene.instruction if scene.seed % 2 else None
        return {"seed": scene.seed, "instruction": scene.instruction, "instructions": 2} | {
            "success": done is not None,
            "done": done,
            "steps": 10,
            "wall_s": 1.0,
        }

    monkeypatch.setattr("qwen_vla_eval.report.measure.directly", run)
    monkeypatch.setattr("qwen_vla_eval.report.measure._estimate", lambda *_: "")
    shown = [{"title": "t", "checkpoints": ["generalist"], "shifts": SHIFTS[:3]}]
    cells = list(enumerate_cells(plan(sections=shown)).values())[:3]
    with pytest.raises(KeyboardInterrupt):
        measure_cells(cells, range(4), Store(tmp_path), workers=1)
    measured = measure_cells(cells, range(4), Store(tmp_path), workers=1)
    assert ran[4] == ran[5] and len(ran) == 13 and len(set(ran)) == 12
    assert [measured[cell]["success_rate"] for cell in cells] == [0.5] * 3
    assert measure_cells(cells, range(3), Store(tmp_path), workers=1)[cells[0]]["n"] == 3
    assert len(ran) == 13
    other = replace(cells[0], case=replace(cells[0].case, prompt_embodiment=None))
    assert Store(Path(tmp_path)).load(other) == {}
