"""One style for all figures: what a colour means, what can be read, and none anywhere else."""

import colorsys
import re
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from rsviz.figures import style
from rsviz.methods.registry import METHODS

ROOT = Path(__file__).parents[2]
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}\b")
PALETTE = [c for c in vars(style).values() if isinstance(c, str) and COLOUR.fullmatch(c)]
NAMED = sorted({*PALETTE, style.OTHER.colour, *(look.colour for look in style.METHODS.values())})


def test_contrast_is_what_wcag_says():
    assert style.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert style.contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.005)
    assert style.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)
    assert style.contrast("#0000FF", "#FFFFFF") == style.contrast("#FFFFFF", "#0000FF")


def test_the_backgrounds_are_those_of_the_app():
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    assert {name: theme[name]["backgroundColor"] for name in style.BACKGROUNDS} == style.BACKGROUNDS


@pytest.mark.parametrize("background", style.BACKGROUNDS.values())
@pytest.mark.parametrize("colour", NAMED)
def test_every_colour_has_a_shade_that_can_be_read(colour, background):
    shade = style.readable(colour, background)
    assert style.contrast(shade, background) >= 4.5
    if style.contrast(colour, background) >= 4.5:
        assert shade == colour.upper()


@pytest.mark.parametrize("background", style.BACKGROUNDS.values())
def test_right_wrong_and_abstains_stand_out_and_apart(background):
    kinds = (style.RIGHT, style.WRONG, style.ABSTAINS)
    assert len(set(kinds)) == len({style.HATCHING[kind] for kind in kinds}) == 3
    assert all(style.contrast(kind, background) >= 3 for kind in kinds)


def test_every_method_has_a_look_of_its_own_beside_others_of_its_norm():
    assert set(style.METHODS) <= set(METHODS)
    assert len(set(METHODS) - set(style.METHODS)) <= 1  # two newcomers would look alike
    in_linf = {"adaptive", "static", "plain-linf"}
    for one, other in combinations(METHODS, 2):
        if (one in in_linf) == (other in in_linf):
            a, b = style.look(one), style.look(other)
            assert a.colour != b.colour and a.symbol != b.symbol, (one, other)
    assert style.look("not known") == style.OTHER
    assert style.OTHER.colour not in {look.colour for look in style.METHODS.values()}


@pytest.mark.parametrize("method", [*style.METHODS, *style.PUBLISHED, "not known"])
def test_curves_of_a_method_share_its_hue_and_are_told_apart_by_dash_and_marker(method):
    looks = [style.variant(method, number) for number in range(5)]
    assert looks[0] == style.look(method)
    for of in ("colour", "dash", "symbol"):
        assert len({getattr(look, of) for look in looks}) == 5, of
    hues = [colorsys.rgb_to_hsv(*(c / 255 for c in style.channels(a.colour)))[0] for a in looks]
    assert max(hues) - min(hues) < 0.02
    for background in style.BACKGROUNDS.values():
        assert min(style.contrast(look.colour, background) for look in looks) > 1.6


def test_ink_on_a_bar_can_be_read():
    assert style.ink("#E69F00") == "#000000" and style.ink("#0072B2") == "#FFFFFF"
    assert all(style.contrast(style.ink(colour), colour) >= 4.5 for colour in NAMED)


def test_a_formula_keeps_its_terms_and_gets_shades_that_can_be_read():
    latex = r"\textcolor{#E69F00}{a} \le \textcolor{#0072B2}{b}"
    on_white = style.readable_formula(latex, "#FFFFFF")
    assert on_white == r"\textcolor{#9C6C00}{a} \le \textcolor{#0072B2}{b}"
    assert style.readable_formula(latex, "#171614").startswith(r"\textcolor{#E69F00}{a} \le")


def test_colours_are_declared_in_the_style_alone():
    files = {*ROOT.glob("rsviz/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"}
    named = {f.name for f in files if COLOUR.search(f.read_text()) or "rgba(0" in f.read_text()}
    assert named == {"style.py", "report.py"}  # a report is a document with its own CSS


def test_opacity_is_written_as_css_writes_it():
    assert style.rgba("#102030", 0.5) == "rgba(16,32,48,0.5)"
