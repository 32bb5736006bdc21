"""Sentences and what they ask for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.embodiment import load_embodiment
from qwen_vla_core.errors import InstructionError
from qwen_vla_core.instruction import normalize_instruction
from qwen_vla_sim.registry import make_tasks
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift
from qwen_vla_sim.tasks.wording import Wording

EMBODIMENTS = sorted((Path(__file__).parents[3] / "embodiments").glob("*.yaml"))
WORDING = Wording(
    trained=("put the {a} cup on the {b} tray", "place the {a} cup on the {b} tray"),
    unseen=("put the {a} cup down on the {b} tray",),
)
words = st.from_regex(r"[a-z]+", fullmatch=True)
evaluation = st.integers(0, FIRST_TRAINING_SEED - 1)
training = st.integers(FIRST_TRAINING_SEED, 10**6)


@given(seed=st.one_of(evaluation, training), shift=st.sampled_from(Shift), a=words, b=words)
def test_when_a_sentence_is_made_expect_its_words_to_be_read_from_it(seed, shift, a, b):
    sentence = WORDING.choose(seed, shift).format(a=a, b=b)
    assert WORDING.read(f" {sentence.capitalize()} ") == {"a": a, "b": b}


@given(seed=training)
def test_when_a_seed_is_for_training_expect_only_trained_wordings(seed):
    assert WORDING.choose(seed, Shift.NONE) in WORDING.trained


@given(seed=evaluation)
def test_when_a_seed_is_for_evaluation_expect_the_usual_wording_or_an_unseen_one(seed):
    assert WORDING.choose(seed, Shift.NONE) == WORDING.trained[0]
    assert WORDING.choose(seed, Shift.INSTRUCTION) in WORDING.unseen


@pytest.mark.parametrize("text", ["", "put the red cup", "put the red cup on the blue tray now"])
def test_when_a_sentence_is_none_of_them_expect_it_refused_with_an_example(text):
    with pytest.raises(InstructionError, match="put the {a} cup on the {b} tray"):
        WORDING.read(text)


@pytest.mark.parametrize("typed", ["{}.", "  {}\n", "“{}!”", "\ufeff{}"])
def test_when_a_sentence_is_typed_another_way_expect_the_same_words_read(typed):
    sentence = "Put  the\u00a0RED cup on the blue tray"
    assert WORDING.read(typed.format(sentence)) == {"a": "red", "b": "blue"}


@pytest.mark.parametrize("path", EMBODIMENTS, ids=lambda path: path.stem)
def test_when_the_sentences_of_all_scenes_are_normalized_expect_no_change(path):
    for task in make_tasks(load_embodiment(path)).values():
        scenes = [task.sample(seed, shift) for shift in Shift for seed in range(20)]
        scenes += [task.sample(FIRST_TRAINING_SEED + seed) for seed in range(20)]
        spoken = {sentence for scene in scenes for sentence in scene.instructions}
        for sentence in (*spoken, *task.wording.trained, *task.wording.unseen):
            assert normalize_instruction(sentence) == sentence
