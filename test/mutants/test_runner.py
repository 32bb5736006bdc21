"""The runner of the mutants itself, on a small tree: only a test that notices counts."""

import pytest

from mutants import runner

SOURCE = "LIMIT = 3\n\n\ndef within(x):\n    return -LIMIT < x < LIMIT\n"
TEST = """
def test_when_inside_expect_yes():
    from thing import LIMIT, within
    assert within(0) and not within(5)
"""
FAULTS = {
    "limit gone": "LIMIT = 3 -> LIMIT = 9",
    "limit lower": "LIMIT = 3 -> LIMIT = 2",
    "text of yesterday": "LIMIT = 4 -> LIMIT = 9",
    "text in many places": "LIMIT -> BOUND",
    "no module any more": "def -> dfe",
    "no such name": "LIMIT = 3 -> MAXIMUM = 3",
}


def entry(means, tests="test/test_thing.py"):
    old, _, new = FAULTS[means].partition(" -> ")
    return f"- {{file: src/thing.py, old: {old}, new: {new}, means: {means}, tests: [{tests}]}}\n"


@pytest.fixture
def tree(tmp_path):
    """A tree with one source, one test and no mutant yet."""
    for path, text in (("src/thing.py", SOURCE), ("test/test_thing.py", TEST)):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    (tmp_path / "test" / "mutants").mkdir()
    return tmp_path


def add(tree, *entries):
    (tree / "test" / "mutants" / "all.yaml").write_text("".join(entries))
    return runner.load(tree / "test" / "mutants")


@pytest.mark.timeout(300)  # five runs of pytest
def test_when_mutants_are_judged_expect_killed_only_those_that_an_assertion_notices(
    tree, tmp_path_factory
):
    mutants = add(tree, *map(entry, FAULTS))
    outcomes = runner.judge_all(mutants, tree, tmp_path_factory.mktemp("scratch"))
    found = {o.mutant.means: (o.verdict, o.detail) for o in outcomes}
    assert list(found) == list(FAULTS)
    assert found["limit gone"] == ("killed", "test_when_inside_expect_yes")
    assert found["limit lower"] == ("SURVIVED", "no test noticed")
    yesterday, often = found["text of yesterday"], found["text in many places"]
    assert yesterday == ("out of date", "'LIMIT = 4' stands 0 times in src/thing.py, not once")
    assert often == ("out of date", "'LIMIT' stands 3 times in src/thing.py, not once")
    assert found["no module any more"][0] == "not run" in found["no such name"]
    assert "SyntaxError" in found["no module any more"][1]
    assert "ImportError" in found["no such name"][1]
    assert (tree / "src" / "thing.py").read_text() == SOURCE


def test_when_all_is_done_expect_a_table_and_a_status_that_says_whether_one_is_left(
    tree, capsys, monkeypatch
):
    def judged(mutants, root, scratch):
        verdicts = {"limit gone": "killed", "limit lower": "SURVIVED"}
        return [
            runner.Outcome(mutant=m, verdict=verdicts.get(m.means, "out of date"), detail="")
            for m in mutants
        ]

    monkeypatch.setattr(runner, "judge_all", judged)
    for means, status in {"limit gone": 0, "limit lower": 1, "text of yesterday": 1}.items():
        add(tree, entry(means))
        assert runner.main([], tree) == status
        printed = capsys.readouterr().out
        assert means in printed and f"{1 - status} of 1 mutants killed" in printed
    add(tree, *map(entry, FAULTS))
    assert runner.main(["gone"], tree) == 0  # of that name only
    assert runner.main(["nothing has this word"], tree) == 1


def test_when_a_test_fails_without_a_mutant_expect_that_said_and_nothing_judged(tree):
    (tree / "test" / "test_thing.py").write_text(TEST.replace("not within(5)", "within(5)"))
    add(tree, entry("limit gone"))
    with pytest.raises(SystemExit, match="fail without a mutant"):
        runner.main([], tree)


def test_when_the_mutants_of_this_tree_are_read_expect_each_to_fit_and_say_what_it_means():
    mutants = runner.load(runner.ROOT / "test" / "mutants")
    assert not [why for m in mutants if (why := runner.out_of_date(m, runner.ROOT))]
    assert len(mutants) >= 40
    assert len({(m.file, m.old, m.new) for m in mutants}) == len(mutants)
    assert all(m.means and m.tests and m.old != m.new for m in mutants)
