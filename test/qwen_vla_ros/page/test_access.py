"""Who may look at a page and who may command."""

import pytest

from qwen_vla_ros.page.access import Access, is_loopback


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8765", "http://localhost:8765"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("[::1]:80", "http://[::1]:80"),
        ("localhost", "http://localhost"),
    ],
)
def test_when_a_page_of_this_server_connects_expect_it_to_be_let_in(host, origin):
    assert Access("127.0.0.1").refusal(host, origin) == ""


@pytest.mark.parametrize(
    ("host", "origin", "word"),
    [
        ("localhost:8765", "http://evil.example", "evil.example"),
        ("localhost:8765", "http://localhost:9999", "9999"),
        ("localhost:8765", "https://localhost:8765", "https"),
        ("localhost:8765", "null", "null"),
        ("localhost:8765", None, "None"),
        ("evil.example:8765", "http://evil.example:8765", "is not this machine"),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", "is not this machine"),
    ],
)
def test_when_another_sites_page_connects_expect_refusal_in_words(host, origin, word):
    assert word in Access("127.0.0.1").refusal(host, origin)


def test_when_a_network_is_served_expect_any_name_of_the_machine_and_still_its_own_pages_only():
    access = Access("0.0.0.0")
    assert not access.loopback
    assert access.refusal("robot.lab:8765", "http://robot.lab:8765") == ""
    assert "evil" in access.refusal("robot.lab:8765", "http://evil.example")


def test_when_a_token_is_shown_expect_only_the_one_in_the_address_to_command():
    access, other = Access("127.0.0.1"), Access("127.0.0.1")
    token = access.url(8765).partition("#")[2]
    assert len(token) >= 20 and access.url(8765).startswith("http://127.0.0.1:8765/#")
    assert access.may_command(token)
    assert not access.may_command("") and not access.may_command(token[:-1])
    assert not access.may_command("täken") and not other.may_command(token)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("lab", False)],
)
def test_when_an_address_is_given_expect_loopback_to_be_told_from_the_network(host, loopback):
    assert is_loopback(host) is loopback


def test_when_all_addresses_are_served_expect_one_that_can_be_opened_to_be_printed():
    assert "0.0.0.0" not in Access("0.0.0.0").url(1) and "[::1]:5/" in Access("::1").url(5)
