"""docs/faults.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAULTS = 68


def test_when_faults_are_listed_in_the_docs_expect_each_of_their_tests_to_exist():
    text = (ROOT / "docs" / "faults.md").read_text().partition("## Measured")[0]
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, FAULTS + 1))
    for number, row in rows:
        tests = re.findall(r"`([\w/]+\.py)::(test_when_\w+)`", row)
        assert tests, f"row {number} names no test"
        for path, name in tests:
            source = (ROOT / "test" / path).read_text()
            assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"row {number}: {name}"
