"""One plain sentence in the form that policies are trained on, or a refusal that says why not."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwen_vla_core.errors import InstructionError
from qwen_vla_core.instruction import (
    MAX_INSTRUCTION_CHARS,
    check_instruction,
    normalize_instruction,
)

PLAIN = "pick up the red block"


@pytest.mark.parametrize(
    "typed",
    [
        "pick up the red block",
        "PICK UP THE RED BLOCK",
        "Pick up the red block.",
        "Pick up the red block!",
        "pick up the red block...",
        "pick up the red block…",
        "pick up the red block 。",
        "  pick  up the\tred block \n",
        "pick up\nthe red block\r\n",
        "pick up\u2028the red block\u0085",
        "pick\u00a0up\u2003the\u3000red\u202fblock",
        "pick\u200bup the red\u200b block",
        "\ufeffpick up the red block",
        "pi\u200dck up the r\u200ced blo\u2060ck\u200e",
        "pick up the r\u00aded block",
        "“Pick up the red block.”",
        "'pick up the red block'.",
        "« pick up the red block »",
        "ｐｉｃｋ　ｕｐ　ｔｈｅ　ｒｅｄ　ｂｌｏｃｋ．",
        "Please pick up the red block, thank you!",
        "Could you please pick up the red block?",
        "I'd like you to pick up the red block, please.",
        "I want you to kindly pick up the red block. Thanks.",
    ],
)
def test_when_a_task_is_typed_as_people_do_expect_the_trained_form(typed):
    assert check_instruction(typed) == PLAIN


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("Turn the robot’s arm “left”", 'turn the robot\'s arm "left"'),
        ("Drive 1.5 m, then stop.", "drive 1.5 m, then stop"),
        ("put it in the top–left bin", "put it in the top-left bin"),
        ("Is it the red one?", "is it the red one"),
        ("Please.", "please"),
        ("Can you see the red block?", "can you see the red block"),
        ("put it where I want you to", "put it where i want you to"),
        ("拿起红色的方块。", "拿起红色的方块"),
        ("Öffne die Tür!", "öffne die tür"),
        ("Öffne die Tür!", "öffne die tür"),  # the same dots as characters of their own
    ],
)
def test_when_a_sentence_has_marks_inside_expect_them_kept_in_plain_form(typed, plain):
    assert check_instruction(typed) == plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        (" ... ", "empty"),
        ("\u200d\ufeff", "empty"),
        ('"."', "empty"),
        ("x" * 100_000, "100000 characters"),
        ("ﷺ" * MAX_INSTRUCTION_CHARS, "characters"),  # each becomes eighteen
        ("a\x00b", "control character"),
        ("a\x1bb", "control character"),
        ("a\ud800b", "control character"),
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


@given(st.text())
@example("\"'a.'.\"")
@example("`́")
def test_when_a_text_is_normalized_twice_expect_no_further_change(text):
    plain = normalize_instruction(text)
    assert normalize_instruction(plain) == plain


@given(st.text(), st.sampled_from(["{}", "{}.", " {}  ", "“{}”", "\ufeff{}\n", "{}!!"]))
def test_when_only_the_surroundings_differ_expect_the_same_sentence(text, surrounded):
    assert normalize_instruction(surrounded.format(text)) == normalize_instruction(text)
