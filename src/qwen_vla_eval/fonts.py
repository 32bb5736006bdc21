"""Fonts for figures that hold what somebody typed, which may be in any script."""

USUAL = "DejaVu Sans"
"""Comes with matplotlib; Latin, Greek, Cyrillic and Arabic, but no Chinese."""
BOXES = "Last Resort"
"""Begins the name of the font of matplotlib that has every letter, as a box."""


def fonts_for(text: str) -> list[str] | None:
    """Font families of this machine that have all letters of a text together; None without any."""
    from matplotlib import font_manager

    missing = {letter for letter in text if not letter.isspace()}
    missing -= _letters(font_manager.findfont(USUAL), missing)
    if not missing:
        return [USUAL]
    for font in font_manager.fontManager.ttflist:
        if not font.name.startswith(BOXES) and missing == _letters(font.fname, missing):
            return [USUAL, font.name]
    return None


def _letters(file: str, wanted: set[str]) -> set[str]:
    """Those of some letters that a font file has."""
    from matplotlib.ft2font import FT2Font

    there = FT2Font(file).get_charmap()
    return {letter for letter in wanted if ord(letter) in there}
