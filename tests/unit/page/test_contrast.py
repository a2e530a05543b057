"""Whether the page's colours can be read, in both themes: the contrast that WCAG 2.1 asks for."""

import re

import pytest

from hedged.page.frame import asset

TEXTS, GRAPHICS, GROUNDS = ("ink", "soft"), ("blue", "orange", "teal", "purple", "grey"), ("paper", "panel")


def colours(selector: str) -> dict[str, str]:
    sheets = asset("page.css"), asset("status.css", "hedged.status")
    blocks = [sheet.split(selector, 1)[1].split("}", 1)[0] for sheet in sheets]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", "".join(blocks)))


def luminance(colour: str) -> float:
    """Return the relative luminance. Source: WCAG 2.1, definition of relative luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("selector", [":root {", ':root[data-theme="dark"] {'])
def test_texts_and_lines_stand_out(selector: str) -> None:
    """If this fails, texts or lines are too pale to be read in one of the themes."""
    found = colours(selector)

    def contrast(one: str, other: str) -> float:
        light, dark = sorted((luminance(found[one]), luminance(found[other])), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    told = (("bad", "bad-ground"), ("good", "good-ground"), ("warn-ink", "warn"), ("ink", "wait-ground"))
    for name, ground in (*told, ("soft", "wait-ground"), ("paper", "bad")):  # of the status page
        assert contrast(name, ground) >= 4.5, (name, ground)
    for ground in GROUNDS:
        assert all(contrast(name, ground) >= 4.5 for name in TEXTS)
        assert all(contrast(name, ground) >= 3.0 for name in GRAPHICS), ground
