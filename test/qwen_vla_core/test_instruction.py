"""One plain sentence, or a refusal that says what is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.errors import InstructionError
from qwen_vla_core.instruction import MAX_INSTRUCTION_CHARS, check_instruction


def test_when_white_space_surrounds_a_sentence_expect_it_removed():
    assert check_instruction("  pick up the red block\n") == "pick up the red block"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("x" * 100_000, "100000 characters"),
        ("a\x00b", "control character"),
        ("a\nb", "control character"),
    ],
)
def test_when_a_text_is_no_instruction_expect_the_reason(text, words):
    with pytest.raises(InstructionError, match=words):
        check_instruction(text)


@given(st.text())
def test_when_any_text_is_given_expect_a_short_printable_line_or_a_refusal(text):
    try:
        instruction = check_instruction(text)
    except InstructionError:
        return
    assert 0 < len(instruction) <= MAX_INSTRUCTION_CHARS and instruction.isprintable()
