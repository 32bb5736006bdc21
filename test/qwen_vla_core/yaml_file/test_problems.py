"""Each mistake is said once, in plain words, with its line and with names in place of numbers."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from qwen_vla_core.errors import YamlFileError
from qwen_vla_core.yaml_file import Strict, WrongKey, parse_yaml
from qwen_vla_core.yaml_file.kinds import RECIPE


class Wheel(Strict):
    kind: Literal["wheel"]
    radius_m: Annotated[FiniteFloat, Field(gt=0.0)]


class Leg(Strict):
    kind: Literal["leg"]
    joints: PositiveInt


class Part(Strict):
    name: Annotated[str, Field(min_length=1, max_length=12)]
    offset_m: tuple[FiniteFloat, FiniteFloat] = (0.0, 0.0)
    foot: Annotated[Wheel | Leg, Field(discriminator="kind")]
    velocity: FiniteFloat | None = None

    @model_validator(mode="after")
    def _offset(self):
        if self.offset_m[0] > 1.0:
            raise WrongKey(("offset_m", 0), "is beyond the body")
        return self


class Machine(Strict):
    mixture: Literal["rich", "poor"] = "rich"
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    folders: dict[str, str | dict[str, str]] = {}
    quick: bool = False


TEXT = """mixture: rich
parts:
  - name: front
    offset_m: [0.5, 0.0]
    foot: {kind: wheel, radius_m: 0.1}
    velocity: 0.5
  - name: rear
    foot:
      kind: leg
      joints: 3
folders: {a: x, b: {c: y}}
quick: false
"""


def check(text):
    return parse_yaml(text, "m.yaml").check(Machine, RECIPE)


def problems(old, new):
    assert old in TEXT
    with pytest.raises(YamlFileError) as caught:
        check(TEXT.replace(old, new, 1))
    return str(caught.value)


def test_when_nothing_is_wrong_expect_the_model():
    machine = check(TEXT)
    assert machine.parts[1].foot.joints == 3 and machine.parts[0].offset_m == (0.5, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "velocity: 0.5",
            "velocty: 0.5",
            "6: parts.front.velocty: unknown key; did you mean velocity?",
        ),
        (
            "radius_m:",
            "radius:",
            "5: parts.front.foot.radius: unknown key; did you mean radius_m?",
        ),
        ("velocity: 0.5", "temperature: 1", "6: parts.front.temperature: unknown key"),
        ("      joints: 3\n", "", "8: parts.rear.foot.joints: is missing"),
        ("velocity: 0.5", "velocity: true", "6: parts.front.velocity: needs a number, not true"),
        ("velocity: 0.5", 'velocity: "0.5"', "6: parts.front.velocity: needs a number, not '0.5'"),
        ("velocity: 0.5", "velocity: fast", "6: parts.front.velocity: needs a number, not 'fast'"),
        ("velocity: 0.5", "velocity: [1]", "6: parts.front.velocity: needs a number, not a list"),
        (
            "radius_m: 0.1",
            "radius_m: null",
            "5: parts.front.foot.radius_m: needs a number, not null",
        ),
        ("radius_m: 0.1", "radius_m: ", "5: parts.front.foot.radius_m: needs a number, not null"),
        (
            "radius_m: 0.1",
            "radius_m: -1",
            "5: parts.front.foot.radius_m: needs to be above 0, not -1",
        ),
        ("joints: 3", "joints: 3.5", "10: parts.rear.foot.joints: needs a whole number, not 3.5"),
        (
            "joints: 3",
            "joints: true",
            "10: parts.rear.foot.joints: needs a whole number, not true",
        ),
        ("quick: false", "quick: 1", "12: quick: needs true or false, not 1"),
        ("quick: false", "quick: 'true'", "12: quick: needs true or false, not 'true'"),
        ("name: rear", "name: 5", '7: parts.1.name: needs a text, not 5; write "5" in quotes'),
        (
            "name: rear",
            "name: true",
            '7: parts.1.name: needs a text, not true; write "true" in quotes',
        ),
        ("name: rear", "name: ''", "7: parts.1.name: is empty"),
        ("name: rear", "name: a_very_long_name", "is longer than 12 characters"),
        (
            "mixture: rich",
            "mixture: riche",
            "1: mixture: 'riche' is none of rich, poor; did you mean rich?",
        ),
        (
            "kind: leg",
            "kind: log",
            "9: parts.rear.foot.kind: 'log' is none of wheel, leg; did you mean leg?",
        ),
        ("      kind: leg\n", "", "8: parts.rear.foot.kind: is missing"),
        ("[0.5, 0.0]", "[0.5]", "4: parts.front.offset_m: has 1 values, too few"),
        ("[0.5, 0.0]", "[0.5, 0, 0]", "4: parts.front.offset_m: has 3 values, and takes 2"),
        ("[0.5, 0.0]", "0.5", "4: parts.front.offset_m: needs a list, not 0.5"),
        ("[0.5, 0.0]", "[1.5, 0.0]", "4: parts.front.offset_m.0: is beyond the body"),
        (
            "{kind: wheel, radius_m: 0.1}",
            "wheel",
            "5: parts.front.foot: needs keys and values, not 'wheel'",
        ),
        ("{a: x, b: {c: y}}", "{a: 5}", "11: folders.a: needs a text, not 5"),
        ("{a: x, b: {c: y}}", "{b: {c: 5}}", "11: folders.b.c: needs a text, not 5"),
        ("{a: x, b: {c: y}}", "x", "11: folders: needs keys and values, not 'x'"),
    ],
)
def test_when_one_thing_is_wrong_expect_one_line_in_plain_words(old, new, said):
    message = problems(old, new)
    assert said in message and message.startswith("m.yaml:") and "\n" not in message
    assert not any(word in message for word in ("pydantic", "type=", "Input should", "None"))


def test_when_a_list_is_empty_expect_how_many_are_needed():
    with pytest.raises(YamlFileError, match=r"^m.yaml:2: parts: needs at least 1 .*, not 0$"):
        check("mixture: rich\nparts: []\n")


def test_when_several_things_are_wrong_expect_them_by_line():
    text = TEXT.replace("quick: false", "quick: 1").replace("joints: 3", "joints: 0")
    with pytest.raises(YamlFileError) as caught:
        check(text.replace("velocity: 0.5", "velocty: 0.5"))
    lines = [int(line.split(":")[1]) for line in str(caught.value).splitlines()]
    assert lines == [6, 10, 12]
