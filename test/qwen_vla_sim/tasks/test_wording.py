"""Sentences and what they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.errors import InstructionError
from qwen_vla_sim.tasks.shifts import FIRST_TRAINING_SEED, Shift
from qwen_vla_sim.tasks.wording import Wording

WORDING = Wording(
    trained=("put the {a} cup on the {b} tray", "place the {a} cup on the {b} tray"),
    unseen=("put the {a} cup down on the {b} tray.",),
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
