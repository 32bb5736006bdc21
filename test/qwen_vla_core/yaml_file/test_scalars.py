"""Values that YAML readers disagree about are refused, with what to write; the others are kept."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.yaml_file import parse_yaml


def value(text):
    return parse_yaml(f"key: {text}", "file.yaml").values["key"]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("yes", 'yes may be a word or true; write true, or "yes" in quotes'),
        ("no", 'no may be a word or false; write false, or "no" in quotes'),
        ("On", 'On may be a word or true; write true, or "On" in quotes'),
        ("off", 'off may be a word or false; write false, or "off" in quotes'),
        ("010", "010 is 8 to some YAML readers and not to others; write 8 for that"),
        ("0x1F", "write 31 for that"),
        ("0b11", "write 3 for that"),
        ("1_000", "write 1000 for that"),
        ("1:30", "write 90 for that"),
        ("1:30.5", "write 90.5 for that"),
        ("08", 'write 8.0, or "08" in quotes'),
        ("1e3", 'write 1000.0, or "1e3" in quotes'),
        ("1.0e3", 'write 1000.0, or "1.0e3" in quotes'),
        ("1e-5", 'write 1.0e-05, or "1e-5" in quotes'),
        ("1,5", 'write 1.5, or "1,5" in quotes'),
        (".inf", ".inf is not finite; write a finite number"),
        ("-.INF", "-.INF is not finite"),
        (".nan", ".nan is not finite"),
        ("1.0e+999", "too large"),
        ("9" * 5000, "too large"),
        ("2026-11-27", 'write "2026-11-27" in quotes'),
    ],
)
def test_when_a_value_is_ambiguous_expect_file_line_key_and_what_to_write(text, advice):
    with pytest.raises(YamlFileError) as caught:
        value(text)
    assert str(caught.value).startswith("file.yaml:1: key: ") and advice in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("~", None),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("-1.", -1.0),
        ("1.0e-4", 1e-4),
        ("y", "y"),
        ("base_x", "base_x"),
        ("1.5 m", "1.5 m"),
        ("[urdf", None),
        ('"yes"', "yes"),
        ("'010'", "010"),
        ("|\n  on", "on"),
    ],
)
def test_when_a_value_is_clear_expect_it_with_its_type(text, expected):
    if text == "[urdf":
        with pytest.raises(YamlFileError, match="not usable YAML"):
            value(text)
    else:
        assert value(text) == expected and type(value(text)) is type(expected)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53))
def test_when_a_number_was_written_by_a_program_expect_the_same_number_back(number):
    """What PyYAML writes is unambiguous, whatever the number."""
    assert value(yaml.safe_dump(number).split("\n")[0]) == number


@given(st.text(max_size=8))
def test_when_a_text_was_written_by_a_program_expect_the_same_text_or_refusal(text):
    """Never another text, and never a number or truth value in its place."""
    document = yaml.safe_dump({"key": text})
    try:
        assert parse_yaml(document, "file.yaml").values["key"] == text
    except YamlFileError as error:
        assert "may be a number" in str(error)


def test_when_several_values_are_ambiguous_expect_all_of_them():
    with pytest.raises(YamlFileError) as caught:
        parse_yaml("a: yes\nb: 010\nc: {d: [1, {name: waist, v: 1e3}]}\nb: 2", "file.yaml")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["file.yaml:1", "a"],
        ["file.yaml:2", "b"],
        ["file.yaml:3", "c.d.waist.v"],
        ["file.yaml:4", "b"],
    ]


@pytest.mark.parametrize("text", ["key: \ud800", 'key: "\\ud800"'])
def test_when_a_text_holds_half_of_a_surrogate_pair_expect_file_and_line(text):
    with pytest.raises(YamlFileError, match="^file.yaml:1: not usable YAML: "):
        value(text)
