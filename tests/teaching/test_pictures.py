import json
import re

import numpy as np
import pytest

from rsviz.core.radius import ceiling, radius_l2
from rsviz.evaluation import curves, examples
from rsviz.figures import ballot, style
from rsviz.teaching import lessons
from rsviz.teaching.chapters import bound
from rsviz.teaching.chapters.radius import SLIDE
from rsviz.teaching.experiments import two_pixel_levels, two_pixels
from rsviz.teaching.pictures import base
from rsviz.teaching.pictures.bound import peek, price
from rsviz.teaching.pictures.by_scene import PICTURES
from rsviz.teaching.pictures.levels import chosen, envelope
from rsviz.teaching.pictures.limits import hunt, wrong
from rsviz.teaching.pictures.radius import slide
from rsviz.teaching.pictures.votes import ALPHA, plane, votes

SCENES = [scene for chapter in lessons.CHAPTERS for scene in chapter.scenes]


def trace(figure, name):
    return next(t for t in figure.data if t.name == name)


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.key)
@pytest.mark.parametrize("end", [0, -1])
def test_pictures_at_both_ends_of_every_control(scene, end):
    picture = PICTURES[scene.key](**{c.key: c.options[end] for c in scene.controls})
    assert picture.answer in range(len(scene.question.options))
    assert (
        picture.reveal and picture.alt and picture.formula.count("{") == picture.formula.count("}")
    )
    for background in style.BACKGROUNDS.values():
        shown = style.readable_formula(picture.formula, background)
        shades = re.findall(r"\\textcolor\{(#[0-9A-F]{6})\}", shown)
        assert len(shades) == picture.formula.count(r"\textcolor") > 0
        assert all(style.contrast(shade, background) >= 4.5 for shade in shades)
    for figure in (picture.figure, picture.teaser):
        if figure is not None:
            drawn = json.loads(figure.to_json())["layout"]
            assert drawn["paper_bgcolor"] == drawn["plot_bgcolor"] == "rgba(0,0,0,0)"
            assert drawn["xaxis"]["title"]["text"] and drawn["yaxis"]["title"]["text"]


def test_the_plane_draws_the_disc_as_large_as_it_is():
    seen = two_pixels.look((0.75, 0.45), 0.08, 1000)
    disc = trace(plane(seen), "disc certified by the votes")
    assert max(disc.x) - min(disc.x) == pytest.approx(2 * seen.radius, rel=1e-3)
    ballots = [t for t in plane(seen).data if t.type == "bar"]
    assert sum(t.x[0] for t in ballots) == 1000
    assert ballots[seen.predicted].x[0] == seen.count


def test_each_copy_has_the_colour_of_its_vote():
    figure = plane(two_pixels.look((0.6, 0.5), 0.08, 1000))
    copies = [t for t in figure.data if t.type == "scatter" and t.marker.size == 4]
    assert len(copies) == 2
    for index, group in enumerate(copies):
        points = list(zip(group.x, group.y, strict=True))
        assert points and (two_pixels.classify(np.array(points)) == index).all()


def test_doubling_sigma_helps_in_the_open_and_hurts_in_a_bulge():
    assert votes(0.95, 0.05, 0.08, 10_000).answer == 0
    assert votes(0.3, 0.2, 0.12, 10_000).answer == 1


def test_an_abstention_says_so_in_place_of_a_radius():
    x, y = two_pixels.smoothed_boundary(0.08)[150]
    picture = votes(x, y, 0.08, 100)
    assert "abstain" in picture.formula
    assert all(t.name != "disc certified by the votes" for t in picture.figure.data)


def test_the_price_ends_at_the_ceiling_and_abstains_at_one_half():
    figure = price(100, 1000, ALPHA).figure
    assert figure.data[1].y[-1] == pytest.approx(ceiling(0.5, 1000, ALPHA))
    assert max(figure.data[1].y) <= figure.data[2].y[0] + 1e-12
    assert "abstain" in price(50, 1000, ALPHA).formula
    assert "abstain" not in price(60, 1000, ALPHA).formula


@pytest.mark.parametrize("n", [100, 1_000, 10_000, 100_000])
@pytest.mark.parametrize("alpha", bound.ALPHAS)
def test_ten_times_the_votes_never_double_the_ceiling(n, alpha):
    ratio = ceiling(0.5, 10 * n, alpha) / ceiling(0.5, n, alpha)
    assert 1 < ratio < 2
    assert price(90, n, alpha).answer == 2


def test_the_runs_stay_hidden_until_the_prediction():
    picture = peek(0.8, 0.05, 1)
    assert sum(t.yaxis != "y2" for t in picture.figure.data) == 2
    assert all(t.yaxis == "y2" for t in picture.teaser.data)


def test_the_answer_counts_the_runs():
    picture = peek(0.8, 0.05, 1)
    ends = {t.name: t.y[-1] for t in picture.figure.data if t.yaxis != "y2"}
    assert ends["Clopper-Pearson"] > 10
    assert picture.answer == 2
    assert f"**{round(2 * ends['anytime-valid'])}**" in picture.reveal


def test_terms_are_coloured_in_the_way_latex_reads():
    assert base.coloured("#123456", "x") == r"\textcolor{#123456}{x}"


def test_the_mosaic_frames_every_copy_by_its_vote():
    x_HWC = np.full((32, 32, 3), 0.5)
    copy_NHWC = np.full((ballot.COPIES, 32, 32, 3), [2.0, 0.0, -1.0])  # clipped for the eye
    agree_N = [True] * (ballot.COPIES - 1) + [False]
    sheet_HWC = ballot.mosaic(x_HWC, copy_NHWC, agree_N)
    opaque = sheet_HWC[..., 3] == 255
    blue = opaque & (sheet_HWC[..., :3] == (0x00, 0x72, 0xB2)).all(-1)
    orange = opaque & (sheet_HWC[..., :3] == (0xE6, 0x9F, 0x00)).all(-1)
    red = opaque & (sheet_HWC[..., :3] == (255, 0, 0)).all(-1)
    # Each copy is 32 pixels of 4 x 4; the cut corner takes a triangle of 16 + ... + 1 of one.
    assert red.sum() == (128 * 128) * ballot.COPIES - 136
    assert orange[-1, -1] and not orange[:-150].any()
    assert blue.sum() > 12 * orange.sum()
    assert tuple(sheet_HWC[0, 0]) == (128, 128, 128, 255)


def test_a_wrong_number_of_votes_is_refused():
    with pytest.raises(ValueError):
        ballot.mosaic(np.zeros((32, 32, 3)), np.zeros((3, 32, 32, 3)), [True] * 3)


def test_the_tally_puts_the_winner_first_and_draws_what_is_proved():
    figure = ballot.tally((10, 70, 0, 15, 5), "abcde", predicted=1, p_a_lower=0.6)
    assert list(figure.data[0].y) == ["b", "d", "a", "e"]
    assert list(figure.data[0].text) == ["70", "15", "10", "5"]
    assert figure.data[2].x == (60, 60)


@pytest.mark.parametrize("shift", SLIDE.controls[2].options)
def test_the_slide_answers_by_the_radius(shift):
    picture = slide(0.9, 0.5, shift)
    radius = radius_l2(0.5, 0.9)
    assert picture.answer == int(shift >= radius)
    assert trace(picture.figure, "R = 0.640").x == (radius, radius)


def test_the_slide_hides_what_is_left_until_the_prediction():
    picture = slide(0.9, 0.5, 0.8)
    kept = trace(picture.figure, "the worst cut keeps")
    assert kept.y[0] == pytest.approx(0.9)
    assert all(t.name != "the worst cut keeps" for t in picture.teaser.data)
    fills = [sum(t.fill == "tozeroy" for t in f.data) for f in (picture.figure, picture.teaser)]
    assert fills == [2, 1]


def test_the_wrong_class_is_drawn_as_wrong_and_hidden_until_the_prediction():
    picture = wrong(2.0)
    own, noisy = examples.same_image()
    bars = next(t for t in picture.figure.data if t.type == "bar")
    assert list(bars.y) == list(noisy.certificate.counts)
    assert bars.marker.color[noisy.certificate.predicted] == style.WRONG
    assert all(t.type != "bar" for t in picture.teaser.data)
    assert picture.answer == 2 == wrong(0.5).answer
    bars = next(t for t in wrong(0.5).teaser.data if t.type == "bar")
    assert bars.marker.color[own.label] == style.RIGHT
    offered = lessons.chapter("limits").scenes[0].controls[0].options
    assert offered == (own.sigma, noisy.sigma)


def test_the_hunt_counts_radii_beyond_the_true_one():
    picture = hunt(0.8, 0.01, 20, 1)
    truth = trace(picture.figure, "true: beyond it a radius is wrong").x[0]
    beyond = sum(r > truth for r in trace(picture.figure, "best of 20").x)
    assert f"the best of 20 **{beyond}**" in picture.reveal
    assert beyond > 10 * 0.01 * 2000 and picture.answer == 2
    assert hunt(0.8, 0.01, 1, 1).answer == 0
    assert hunt(0.8, 0.01, 2, 1).answer == 1
    assert next(t.name for t in picture.teaser.data) == "radius of the first seed"
    assert all(t.name != "best of 20" for t in picture.teaser.data)


@pytest.mark.parametrize("radius", lessons.chapter("levels").scenes[0].controls[0].options)
def test_the_envelope_names_the_one_level_that_is_best(radius):
    logs = [examples.log_of(name) for name in examples.SHAPES]
    share_L = [float(np.mean(log.correct_N & (log.radius_N >= radius))) for log in logs]
    assert share_L.count(max(share_L)) == 1
    answer = envelope(radius).answer
    assert share_L[answer] == max(share_L)
    assert (
        f"sigma = {logs[answer].sigma:g}"
        == lessons.chapter("levels").scenes[0].question.options[answer]
    )


def test_every_level_is_best_somewhere_and_hindsight_is_never_worse():
    assert {envelope(r).answer for r in (0.2, 1.0, 2.0)} == {0, 1, 2}
    picture = envelope(1.0)
    names = ("envelope", "best of each picture, in hindsight")
    best, hindsight = (np.array(trace(picture.figure, name).y) for name in names)
    assert (hindsight >= best - 1e-9).all() and (hindsight > best).any()
    assert [t.name for t in picture.teaser.data] == ["sigma = 0.5", "r"]


def test_the_logs_of_the_envelope_may_be_compared():
    logs = [examples.log_of(name) for name in examples.SHAPES]
    assert curves.comparable([curves.curve(log, [0.0]) for log in logs]) == []


def test_the_ball_claimed_is_broken_in_the_picture_and_the_teaser_hides_it():
    picture = chosen(0.725, 0.8)
    claim = two_pixel_levels.look((0.725, 0.8))
    assert picture.answer == 1
    assert trace(picture.figure, "another answer").x == (claim.breach[0],)
    ball = trace(picture.figure, "proved: the smaller")
    assert max(ball.x) - min(ball.x) == pytest.approx(2 * claim.proved, rel=1e-3)
    assert all(t.name not in ("another answer", "sigma changes") for t in picture.teaser.data)
    assert chosen(0.8, 0.7).answer == 0
