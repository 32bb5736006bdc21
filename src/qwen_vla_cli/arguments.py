"""Types of command-line arguments; argparse turns a ValueError into a usage message."""


def positive(text: str) -> int:
    """A whole number from 1 on."""
    return _at_least(1, text)


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    return _at_least(0, text)


def _at_least(lowest: int, text: str) -> int:
    value = int(text)
    if value < lowest:
        raise ValueError(f"{value} is below {lowest}")
    return value
