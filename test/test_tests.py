"""The tests themselves: each can fail, has a sentence for its name, and none sleeps."""

import ast
from functools import cache
from pathlib import Path

import pytest

TEST = Path(__file__).parent
SLEEPS = {
    "browser/chromium.py": "polls another program, a browser",
    "driven_robot.py": "stands for a robot's control periods",
    "killed_trainings.py": "polls a child's files a thousand times a second",
    "links.py": "stands for a link that takes a while",
    "qwen_vla_remote/test_engine.py": "stands for a robot that asks now and then",
    "qwen_vla_remote/test_hostile_clients.py": "stands for a client that sends slowly",
    "qwen_vla_ros/test_trigger_client.py": "stands for a link that is gone for a while",
    "scripted_policy.py": "stands for a policy whose inference takes a while",
}
"""path below test/ -> why it sleeps: a device or process that is slow on purpose."""


def called(nodes):
    """The names of all functions that are called among nodes, those of methods included."""
    calls = [n.func for n in nodes if isinstance(n, ast.Call)]
    return {getattr(f, "attr", getattr(f, "id", None)) for f in calls} - {None}


class Function:
    """Its name, whether it can fail by itself (assert, raise, pytest.raises, assert_allclose...),
    and whom it calls."""

    def __init__(self, definition):
        nodes = list(ast.walk(definition))
        self.name, self.called = definition.name, called(nodes)
        self.checks = any(isinstance(n, ast.Assert | ast.Raise) for n in nodes) or any(
            n == "raises" or n.startswith("assert_") for n in self.called
        )


@cache  # without the trees: Python would look for garbage in them before each later test
def read(folder):
    """file -> whom it calls anywhere, and its functions."""
    files = {}
    for path in sorted(folder.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        functions = [Function(n) for n in nodes if isinstance(n, ast.FunctionDef)]
        files[path.relative_to(folder).as_posix()] = called(nodes), functions
    return files


def without_assertion(folder):
    """file::test of every test that neither checks something nor calls a helper that does."""
    everything = [f for _, functions in read(folder).values() for f in functions]
    helpers = {f.name for f in everything if f.checks and not f.name.startswith("test_")}
    while more := {f.name for f in everything if f.called & helpers} - helpers:
        helpers |= more
    return [
        f"{file}::{f.name}"
        for file, (_, functions) in read(folder).items()
        for f in functions
        if f.name.startswith("test_") and not f.checks and not f.called & helpers
    ]


def sleeping(folder):
    return [file for file, (calls, _) in read(folder).items() if "sleep" in calls]


def test_when_the_tests_are_read_expect_an_assertion_in_each():
    assert without_assertion(TEST) == []


def test_when_the_tests_are_read_expect_none_to_sleep_without_a_reason():
    assert sleeping(TEST) == sorted(SLEEPS)


def test_when_the_tests_are_read_expect_a_sentence_for_each_name():
    names = [
        f.name
        for file, (_, functions) in read(TEST).items()
        if Path(file).name.startswith("test_")
        for f in functions
    ]
    tests = [name for name in names if name.startswith("test_")]
    odd = [n for n in tests if not n.startswith("test_when_") or "_expect_" not in n]
    assert len(tests) > 700 and odd == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("print(1)", True),
        ("helper()", True),
        ("robot.run(1)", True),
        ("assert 1", False),
        ("np.testing.assert_allclose(1, 1)", False),
        ("with pytest.raises(ValueError): helper()", False),
        ("check()", False),
        ("system.checked_by_another()", False),
    ],
)
def test_when_a_test_cannot_fail_expect_it_found(tmp_path, body, found):
    helpers = "def helper(): pass\ndef check(): assert 1\ndef checked_by_another(): check()\n"
    (tmp_path / "helpers.py").write_text(helpers)
    (tmp_path / "test_x.py").write_text(f"def test_when_a_expect_b():\n    {body}\n")
    assert without_assertion(tmp_path) == ["test_x.py::test_when_a_expect_b"] * found


@pytest.mark.parametrize("body", ["time.sleep(1)", "if x:\n        sleep(1)"])
def test_when_a_test_or_helper_sleeps_expect_it_found(tmp_path, body):
    (tmp_path / "x.py").write_text(f"def helper():\n    {body}\n")
    assert sleeping(tmp_path) == ["x.py"]
