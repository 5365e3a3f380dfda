import hashlib
import io
import re
import shutil
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image

from rsviz.certification import certify, walks
from rsviz.core import bounds
from rsviz.core.radius import ceiling, down, radius_l2
from rsviz.core.reading import read
from rsviz.core.spec import RunSpec, Votes
from rsviz.data.catalog import CLASSES
from rsviz.evaluation import examples
from rsviz.smoothing import engines
from rsviz.ui.certify import meaning
from rsviz.ui.common import sessions
from tests.helpers import ALWAYS, constant_network, make_checkpoints, make_rivals

N = 500
NAME = CLASSES["shapes"][ALWAYS].capitalize()


class Never:
    """An executor that leaves every job waiting."""

    def submit(self, work):
        pass


def words(app):
    """Everything written on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    return "\n".join(element.value for kind in kinds for element in getattr(app, kind))


def metrics(app):
    return [m.value for m in app.metric]


def press(app, key="certify"):
    return app.button(key=key).click().run()


def split_radius(sigma, n, alpha):
    """What n unanimous votes certify when .8 of alpha is Clopper-Pearson's."""
    return ceiling(sigma, n, (1 - bounds.ANYTIME_SHARE) * alpha)


def history(app):
    return app.dataframe[0].value if app.dataframe else []


def test_the_first_paint_shows_a_stored_certificate_and_computes_none(open_page, line):
    app = open_page()
    assert not app.exception
    assert "stored result" in words(app)
    assert metrics(app)[0] == down(split_radius(0.5, 10_000, 0.001), 3)
    assert app.text_input(key="image").value == "shapes/test/5"
    assert line.jobs == []


def test_certify_counts_votes_and_ends_with_both_bounds(open_page):
    app = press(open_page(n=N, image="shapes/test/8"))
    assert not app.exception
    assert metrics(app) == [
        down(split_radius(0.5, N, 0.001), 3),
        down((0.8 * 0.001) ** (1 / N), 4),
    ]
    told = words(app)
    assert f"Share of {N} votes: 100.0 %" in told
    assert f"{NAME}, certified within" in told
    assert "live, complete" in told
    anytime = bounds.anytime_lower(N, N, 0.0002)
    assert f"p_A ≥ {down(anytime, 4)}" in told
    assert list(history(app)["votes"]) == [f"{N} of {N}"]


def test_a_page_counts_a_first_look_unasked_and_the_button_the_rest(open_page, monkeypatch):
    monkeypatch.setattr(sessions, "READ_SECONDS", 0.0)
    app = open_page(n=10_000, image="shapes/test/8", seed=3)
    assert not app.exception
    assert "live, stopped after 1,000 votes" in words(app)
    assert "1,000 of 10,100 votes counted" in app.get("progress")[0].proto.text
    n = 900
    assert metrics(app)[0] == down(radius_l2(0.5, bounds.anytime_lower(n, n, 0.0002)), 3)
    app = press(app)
    assert "live, complete" in words(app)
    assert metrics(app)[0] == down(split_radius(0.5, 10_000, 0.001), 3)
    assert list(history(app)["votes"]) == ["10,000 of 10,000"]


def test_what_was_stopped_before_its_first_vote_does_not_begin_again(open_page, line):
    line.executor = Never()
    app = open_page(n=N, image="shapes/test/8")
    app.button(key="stop").click().run()
    line.jobs[0].work()
    app.run()
    assert [job.state for job in line.jobs] == ["cancelled"]
    assert app.button(key="certify") and not app.metric and not app.exception


def test_alpha_and_bound_only_read_the_votes_again(open_page):
    app = press(open_page(n=N, image="shapes/test/8"))
    app.select_slider(key="alpha").set_value(0.05).run()
    assert metrics(app)[0] == down(split_radius(0.5, N, 0.05), 3)
    app.segmented_control(key="bound").set_value("clopper-pearson").run()
    assert metrics(app)[0] == down(ceiling(0.5, N, 0.05), 3)
    app.segmented_control(key="bound").set_value("anytime").run()
    p_a_lower = bounds.anytime_lower(N, N, 0.05)
    assert metrics(app)[0] == down(radius_l2(0.5, p_a_lower), 3)
    assert len(history(app)) == 1


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("select_slider", "sigma", 0.25),
        ("select_slider", "n", 1000),
        ("number_input", "seed", 7),
        ("text_input", "image", "shapes/test/9"),
    ],
)
def test_other_votes_asked_for_stop_the_run_and_begin_another(open_page, line, kind, key, value):
    line.executor = Never()
    app = open_page(n=N, image="shapes/test/8")
    (job,) = line.jobs
    assert job.active and not job.cancel.is_set()
    assert app.button(key="stop")
    getattr(app, kind)(key=key).set_value(value).run()
    assert job.cancel.is_set()
    assert [j.cancel.is_set() for j in line.jobs] == [True, False]
    assert not app.exception


def test_alpha_does_not_stop_the_run(open_page, line):
    line.executor = Never()
    app = open_page(n=N, image="shapes/test/8")
    app.select_slider(key="alpha").set_value(0.05).run()
    assert not line.jobs[0].cancel.is_set()


def test_while_a_run_waits_the_button_is_stop(open_page, line):
    line.executor = Never()
    app = open_page(n=N, image="shapes/test/8").run()
    assert [b.label for b in app.button if b.key in ("certify", "stop")] == ["Stop"]
    assert [job.cancel.is_set() for job in line.jobs] == [False]


def test_a_run_says_how_many_share_its_device(open_page, line):
    line.executor = Never()
    other = open_page(n=N)
    app = open_page(n=N, image="shapes/test/8")
    assert other and "shared with 1 other run" in app.get("progress")[0].proto.text
    app.button(key="stop").click().run()
    assert [job.cancel.is_set() for job in line.jobs] == [False, True]


def test_a_new_seed_is_added_and_flagged(open_page):
    app = press(open_page(n=N, image="shapes/test/8"))
    press(app, "again")
    assert list(history(app)["seed"]) == [0, 1]
    assert "Seed retried" in words(app)
    assert app.number_input(key="seed").value == 1


@pytest.fixture
def stopped_early(monkeypatch):
    """Every run is stopped after 300 votes that bound its class."""
    watch = certify.watch

    def stop_early(x_CHW, net, spec, device, cancel, every):
        for i, progress in enumerate(watch(x_CHW, net, spec, device, cancel)):
            yield progress
            if i == 3:
                cancel.set()

    monkeypatch.setattr(certify, "watch", stop_early)


@pytest.mark.usefixtures("stopped_early")
def test_an_unanswered_question_states_no_bound(open_page):
    app = press(open_page(n=2000, image="shapes/test/8", until_radius=1.2))
    assert "Undecided at radius 1.2 so far" in words(app) and metrics(app) == ["–", "–"]


@pytest.mark.usefixtures("stopped_early")
def test_stopped_keeps_the_anytime_value_and_refuses_clopper_pearson(open_page):
    app = press(open_page(n=2000, image="shapes/test/8"))
    n = 300
    radius = down(radius_l2(0.5, bounds.anytime_lower(n, n, 0.0002)), 3)
    assert metrics(app)[0] == radius
    told = words(app)
    assert "live, stopped" in told
    assert f"refused: it holds only at the planned 2,000 votes, and this run ended at {n}" in told
    app.segmented_control(key="bound").set_value("clopper-pearson").run()
    assert metrics(app)[0] == "–"
    assert "refused" in words(app)
    assert not app.exception


def picture_bytes(kind="PNG", size=(60, 40)):
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind)
    return out.getvalue()


def upload(app, name, data):
    app.segmented_control(key="source").set_value("upload").run()
    return app.file_uploader[0].set_value((name, data, "image/png")).run()


def test_an_upload_is_certified_by_the_photograph_network(open_page):
    app = upload(open_page(n=N), "red.png", picture_bytes())
    assert not app.exception
    assert app.selectbox(key="checkpoint").value == "cifar10-constant"
    press(app)
    told = words(app)
    assert f"{CLASSES['cifar10'][ALWAYS].capitalize()}, certified within" in told
    assert "Image resampled" in told
    assert "shows none of these" in told
    assert list(history(app)["picture"])[-1] == "upload"


@pytest.mark.parametrize("page", ["certify", "attack"])
def test_an_upload_of_the_networks_size_is_flagged_only_where_it_is_cut(open_page, page):
    app = upload(open_page(page, n=100), "small.png", picture_bytes(size=(32, 32)))
    told = words(press(app))
    assert "certified within" in told or "keeps its answer" in told
    assert "Image resampled" not in told
    crop = next(c for c in app.segmented_control if c.label == "Crop")
    crop.set_value("whole").run()
    assert not app.exception and "Image resampled" not in words(press(app))
    of = crop.key.removeprefix("crop_")
    app = open_page(page, n=100)
    app.session_state["_crops"] = {of: (0.1, 0.1, 0.9, 0.9)}  # what a square dragged leaves
    told = words(upload(app, "small.png", picture_bytes(size=(32, 32))))
    assert "Image resampled" in told and not app.exception


def test_a_history_outlives_a_message_that_clears_all_caches(open_page):
    app = press(open_page(n=N, image="shapes/test/8"))
    assert len(history(app)) == 1
    st.cache_resource.clear()  # what any visitor's browser can ask a server to do
    st.cache_data.clear()
    app.run()
    assert not app.exception and len(history(app)) == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.png", b"hello"),
        ("empty.jpg", b""),
        ("dot.png", picture_bytes(size=(1, 1))),
        ("cut.jpg", picture_bytes("JPEG")[:200]),
        ("notes.txt", b"not a picture"),
    ],
)
def test_a_bad_upload_is_one_sentence_and_the_page_goes_on(open_page, name, data):
    app = upload(open_page(), name, data)
    assert not app.exception
    assert [e.value.startswith(name) for e in app.error] == [True]
    assert "stored result" in words(app)


def test_a_crop_changes_what_the_network_sees(open_page):
    wide = Image.new("RGB", (90, 40), (10, 200, 30))
    wide.paste((200, 10, 30), (0, 0, 20, 40))
    out = io.BytesIO()
    wide.save(out, "PNG")
    app = upload(open_page(n=N), "wide.png", out.getvalue())
    press(app)
    app.segmented_control[1].set_value("whole").run()
    assert len(history(app)) == 3 and not app.exception  # of the gallery, then of both crops


def test_what_the_address_asked_for_in_vain_is_told_until_another_picture_comes(open_page):
    app = open_page(n=N, checkpoint="nobody")
    assert any("checkpoint=nobody" in w.value for w in app.warning)
    app.select_slider(key="sigma").set_value(0.25).run()
    assert any("checkpoint=nobody" in w.value for w in app.warning)
    app = upload(app, "red.png", picture_bytes())
    assert not app.warning and not app.exception


def test_a_crop_is_of_its_file_and_not_of_the_next(open_page):
    app = open_page(n=N)
    files = {}
    for name, colour in (("a.png", "teal"), ("b.png", "maroon")):
        out = io.BytesIO()
        Image.new("RGB", (90, 40), colour).save(out, "PNG")
        files[name] = out.getvalue()
    keys = {name: f"crop_{hashlib.sha256(data).hexdigest()[:16]}" for name, data in files.items()}
    app = upload(app, "a.png", files["a.png"])
    app.segmented_control(key=keys["a.png"]).set_value("whole").run()
    app.file_uploader[0].set_value(("b.png", files["b.png"], "image/png")).run()
    assert app.segmented_control(key=keys["b.png"]).value == "box" and not app.exception


def test_a_drawn_photograph_is_certified_and_its_visitor_says_once_what_a_picture_shows(open_page):
    app = open_page(n=N)
    app.segmented_control(key="source").set_value("upload").run()
    app.button(key="scene-ship").click().run()
    (asked,) = [s for s in app.selectbox if s.label == "Which of these is it?"]
    assert asked.value == "ship"
    told = words(app)  # the network of these tests always answers one class, which is no ship
    assert "certified, and wrong" in told and "You say: **ship**" in told
    assert "none of these" not in told
    asked.set_value(CLASSES["cifar10"][ALWAYS]).run()
    assert "correct" in words(app) and "certified, and wrong" not in words(app)
    app.selectbox(key=asked.key).set_value("none of these").run()
    assert "None of these 10, you say" in words(app) and "certified, and wrong" in words(app)
    app.switch_page("pages/attack.py").run()
    assert "You say: **none of these**" in words(app)
    assert "None of these 10, you say" in words(app)
    app.switch_page("pages/compare.py").run()  # at the curves, which show no picture
    app.segmented_control(key="view").set_value("One image").run()
    assert "You say: **none of these**" in words(app)
    app.switch_page("pages/certify.py").run()
    assert "None of these 10, you say" in words(app)
    app = upload(app, "red.png", picture_bytes())
    assert "You say" not in words(app) and "shows none of these 10" in words(app)
    assert not app.exception


def test_an_address_out_of_range_is_told_and_defaults_stand_in(open_page):
    app = open_page(
        sigma=0.77, n=99, alpha=2, seed="x", checkpoint="nothing", image="shapes/test/-4"
    )
    assert not app.exception
    told = "\n".join(w.value for w in app.warning)
    for wrong in ("sigma=0.77", "n=99", "alpha=2", "seed=x", "checkpoint=nothing"):
        assert wrong in told
    assert "shapes/test/-4" in told
    assert app.select_slider(key="sigma").value == 0.5
    assert app.select_slider(key="n").value == 10_000
    assert metrics(app)


def test_an_address_sets_everything(open_page):
    app = open_page(sigma=0.25, n=1000, alpha=0.01, seed=12, image="shapes/test/8")
    assert not app.warning
    assert app.select_slider(key="sigma").value == 0.25
    assert app.select_slider(key="n").value == 1000
    assert app.select_slider(key="alpha").value == 0.01
    assert app.number_input(key="seed").value == 12


def test_a_link_wins_over_what_the_page_held_even_with_a_default(open_page):
    app = open_page(sigma=0.25, n=1000, image="shapes/test/8")
    app.switch_page("pages/learn.py").run()
    app.query_params.clear()
    app.query_params["sigma"], app.query_params["image"] = "0.5", "shapes/test/9"
    app.switch_page("pages/certify.py").run()
    assert app.select_slider(key="sigma").value == 0.5
    assert app.text_input(key="image").value == "shapes/test/9"
    assert app.select_slider(key="n").value == 1000


def test_a_preset_sets_picture_and_noise(open_page):
    app = open_page(image="shapes/test/8", seed=4)
    app.button(key="preset-noisy").click().run()
    assert not app.exception
    assert app.select_slider(key="sigma").value == 2.0
    assert app.text_input(key="image").value == "shapes/test/5"
    told = words(app)
    assert "stored result" in told
    assert "Abstaining is an answer of its own" in told
    assert metrics(app)[0] == "–"


def test_a_bad_checkpoint_is_named_and_the_others_load(open_page, made):
    bad = made / "broken"
    bad.mkdir()
    try:
        app = open_page()
        assert "Checkpoint broken cannot be used: it has no card.json" in words(app).replace(
            "\\", ""
        )
        assert metrics(app)
    finally:
        bad.rmdir()


def test_without_a_network_the_page_says_what_to_do(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_page()
    assert not app.exception
    assert "recipes run" in app.error[0].value


def test_an_unexpected_error_is_a_sentence_without_a_traceback(open_page, monkeypatch, caplog):
    def crash(*args):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(sessions, "networks", crash)
    app = open_page()
    assert not app.exception
    assert len(app.error) == 1
    assert "secret" not in words(app)
    assert "ZeroDivisionError" in caplog.text


def test_copy_as_python_repeats_the_run(open_page):
    app = press(open_page(n=N, image="shapes/test/8", seed=5))
    scope = {}
    exec(app.code[0].value, scope)
    assert scope["certificate"].radius == pytest.approx(split_radius(0.5, N, 0.001))
    assert scope["certificate"].seed == 5


def test_the_noisy_copies_are_those_of_the_run(open_page):
    app = open_page(n=N, image="shapes/test/8")
    strips = "".join(element.proto.body for element in app.get("html"))
    assert strips.count(f"{CLASSES['shapes'][ALWAYS]} ✓") == 2 * 8  # as caption and for readers


def test_the_way_to_attack_holds_the_run_and_opens_it(open_page):
    app = open_page(image="shapes/test/9", n0="50", n="500", alpha="0.01", seed="4")
    app = app.button(key="certify").click().run()
    links = [link.proto for link in app.get("page_link")]
    (link,) = [link for link in links if link.label == "Attack it"]
    query = dict(parse_qsl(link.query_string))
    assert query["image"] == "shapes/test/9" and query["n"] == "500" and query["seed"] == "4"
    network, sigma = app.selectbox(key="checkpoint").value, app.select_slider(key="sigma").value
    app.query_params.clear()
    app.query_params.update(query)
    app.switch_page("pages/attack.py").run()
    assert app.text_input(key="image").value == "shapes/test/9"
    assert app.select_slider(key="n").value == 500 and app.number_input(key="seed").value == 4
    assert app.select_slider(key="n0").value == 50 and app.select_slider(key="alpha").value == 0.01
    assert app.selectbox(key="checkpoint").value == network
    assert app.select_slider(key="sigma").value == sigma
    assert not app.warning and not app.exception


def test_the_two_class_form_reads_the_same_votes_and_is_marked(open_page):
    app = press(open_page(n=N, image="shapes/test/8"))
    app.toggle(key="two_class").set_value(True).run()
    assert not app.exception
    radius = ceiling(0.5, N, (1 - bounds.ANYTIME_SHARE) * 0.001 / 2)
    assert metrics(app)[0] == down(radius, 3)
    told = words(app)
    assert "p_B ≤" in told
    mark = "two-class form, another protocol than the field's"
    folded = [m.value for expander in app.expander for m in expander.markdown]
    assert mark in told and not any(mark in value for value in folded)
    assert "rsviz.two_sided(certificate)" in app.code[0].value
    assert len(history(app)) == 1


def test_a_question_ends_the_votes_as_soon_as_it_is_settled(open_page):
    app = press(open_page(n=10_000, image="shapes/test/8", until_radius=0.25))
    assert not app.exception
    told = words(app)
    assert "robust to 0.25? Yes" in told and "certified at radius 0.25 after" in told
    assert "the fixed-n protocol counts all 10,000" in told and "votes/s" in told
    assert metrics(app)[0] == "0.250"
    (used,) = history(app)["votes"]
    assert int(used.split()[0]) < 100
    scope = {}
    exec(app.code[0].value, scope)
    assert sum(scope["certificate"].counts) == int(used.split()[0])


def test_another_question_is_another_run_and_alpha_is_a_part_of_it(open_page):
    app = press(open_page(n=N, image="shapes/test/8", until_radius=0.25))
    app.select_slider(key="alpha").set_value(0.05).run()
    assert len(history(app)) == 2
    app.number_input(key="until_radius").set_value(0.5).run()
    assert len(history(app)) == 3 and not app.exception


def test_a_question_that_no_count_could_answer_gets_a_sentence(open_page):
    app = press(open_page(n=N, image="shapes/test/8", until_radius=2.0))
    assert "raise n" in app.error[0].value and not app.exception


def test_what_counts_the_votes_is_chosen_and_named(open_page):
    app = open_page(n=N, image="shapes/test/8", engine="openvino float32")
    assert app.selectbox(key="engine").value == "openvino float32"
    assert "openvino int8" not in app.selectbox(key="engine").options  # it has no such file
    assert "int8 is not used: this checkpoint has no int8 network file" in words(app)
    app = press(app)
    assert not app.exception
    assert "Counted by openvino float32 on cpu" in words(app)
    (told,) = [element.proto.text for element in app.get("progress")]
    assert re.fullmatch(r"600 votes counted by openvino float32 on cpu, [\d,]+ votes/s", told)
    assert "engine=rsviz.Engine('openvino', 'float32')" in app.code[0].value
    app.selectbox(key="engine").set_value("torch float32").run()
    assert len(history(app)) == 2, "the votes of another engine are other votes"
    assert "Counted by torch float32 on cpu" in words(app)


def test_without_openvino_torch_counts_and_the_page_says_so(open_page, monkeypatch):
    real = engines.absent

    def absent(engine, device):
        if engine.library == "openvino":
            return "the package openvino is not installed"
        return real(engine, device)

    monkeypatch.setattr(engines, "absent", absent)
    app = press(open_page(n=N, image="shapes/test/8", engine="openvino float32"))
    assert not app.exception
    told = words(app)
    assert "int8 is not used: the package openvino is not installed" in told
    assert "Counted by torch float32 on cpu" in told
    assert "engine=openvino float32" in "\n".join(w.value for w in app.warning)


def test_a_stored_certificate_is_not_shown_for_another_engine(open_page):
    app = open_page(engine="openvino float32")
    assert "stored result" not in words(app) and "Counted by openvino float32" in words(app)


def test_an_upload_goes_along_to_other_pages_and_back(open_page):
    app = upload(open_page(n=N), "red.png", picture_bytes())
    name = app.selectbox(key="checkpoint").value
    app.query_params.clear()
    app.switch_page("pages/attack.py").run()
    assert "red.png is still in use" in words(app) and app.selectbox(key="checkpoint").value == name
    app.switch_page("pages/learn.py").run()
    app.switch_page("pages/certify.py").run()
    assert "red.png is still in use" in words(app)
    app.segmented_control(key="source").set_value("gallery").run()
    app.switch_page("pages/attack.py").run()
    assert "still in use" not in words(app) and not app.exception


def test_a_picture_goes_along_to_other_pages_with_a_chip(open_page):
    app = open_page(n=N, image="shapes/test/9")
    app.query_params.clear()
    for page in ("attack", "learn", "certify"):
        app.switch_page(f"pages/{page}.py").run()
        assert "shapes/test/9" in [link.proto.label for link in app.get("page_link")]
        if page != "learn":
            assert app.text_input(key="image").value == "shapes/test/9"
    assert not app.exception


def test_after_a_result_stand_the_next_acts(open_page):
    app = open_page(n=N, image="shapes/test/9")
    acts = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert "image=shapes%2Ftest%2F9" in acts["Attack it"]
    assert "pasted_number=9" in acts["Mask it"] and "view=One" in acts["By every network"]


def test_the_picture_in_use_goes_to_masks_and_on_from_there(open_page, made, monkeypatch, tmp_path):
    folder = shutil.copytree(made, tmp_path / "all")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(make_rivals(folder)))
    app = open_page(n=N, image="shapes/test/9")
    app.query_params.clear()
    app.switch_page("pages/masks.py").run()
    assert app.number_input(key="pasted_number").value == 9
    acts = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert "image=shapes%2Ftest%2F9" in acts["Certify it"] and "Mask it" not in acts
    app.segmented_control(key="canvas_source").set_value("test").run()
    app.number_input(key="canvas").set_value(5).run()
    app.switch_page("pages/certify.py").run()
    assert app.text_input(key="image").value == "shapes/test/5"
    app = upload(app, "red.png", picture_bytes())
    app.query_params.clear()
    app.switch_page("pages/masks.py").run()
    assert app.segmented_control(key="pasted").value == "upload"
    assert "red.png" in [link.proto.label for link in app.get("page_link")]
    assert not app.exception and not app.error


def test_a_new_seed_cannot_stop_a_run(open_page, line):
    line.executor = Never()
    assert open_page(n=N, image="shapes/test/8").button(key="again").disabled
    line.jobs[0].state = "cancelled"


def test_a_network_without_presets_offers_those_of_another(open_page, monkeypatch, tmp_path):
    constant_network(make_checkpoints(tmp_path) / "shapes-zero")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_page(n=N, checkpoint="shapes-zero")
    app.button(key="preset-certain").click().run()
    assert app.selectbox(key="checkpoint").value == "shapes-constant" and not app.exception


def test_the_noise_is_said_beside_the_copies(open_page):
    assert "sigma 2, and the vote" in words(open_page(n=N, sigma=2.0))


def test_a_run_under_way_has_not_abstained(open_page):
    c = read(Votes("select", (1, 0), 1), Votes("bound", (0, 0), 9), RunSpec("", "", 0.5), "")
    assert meaning.in_a_word(replace(c, ended="running"), ("a", "b")) == "not yet"
    assert meaning.in_a_word(replace(c, ended="stopped"), ("a", "b")) == "abstains"


def test_a_run_is_opened_again_from_the_table(open_page, monkeypatch):
    app = press(open_page(n=N, image="shapes/test/8", sigma=1.0))
    app.text_input(key="image").set_value("shapes/test/9").run()
    runs = [job.latest.certificate for job in app.session_state["_desk_image"].history]
    held = {"runs": {"selection": {"rows": [0]}}}
    monkeypatch.setattr("streamlit.session_state", held)
    meaning.reopen(runs)
    assert (held["image"], held["sigma"], held["n"]) == ("shapes/test/8", 1.0, N)


def claimed_link(open_page):
    """The address of a whole run, as the page leaves it."""
    app = press(open_page(n=N, image="shapes/test/8", seed=3))
    return {"n": N, "image": "shapes/test/8", "seed": 3, "counted": app.query_params["counted"]}


def test_a_link_shows_its_result_at_once_as_claimed_and_counts_it_again(open_page, line):
    link = claimed_link(open_page)
    executor, line.executor = line.executor, Never()
    app = open_page(**link)
    assert "claimed by the link" in words(app) and "live" not in words(app)
    assert metrics(app)[0] == down(split_radius(0.5, N, 0.001), 3)
    line.jobs[-1].state, line.executor = "cancelled", executor
    app = open_page(**link)
    assert "counted here, they are the same" in words(app)
    assert "claimed by the link" not in words(app) and "live, complete" in words(app)


def test_own_votes_in_the_address_are_not_told_as_those_of_a_link(open_page):
    app = press(open_page(n=N, image="shapes/test/8", seed=3))
    assert app.query_params["counted"]
    app.select_slider(key="alpha").set_value(0.01).run()  # reads the same votes again
    assert "link claimed" not in words(app) and "who made the link" not in words(app)


def test_a_link_that_was_changed_is_found_out(open_page):
    link = claimed_link(open_page)
    digest, first, _ = link["counted"].split(".")
    moved = "-".join([f"{N}", *["0"] * 9])
    app = open_page(**link | {"counted": f"{digest}.{first}.{moved}"})
    assert any("The link claims" in w.value for w in app.warning)
    assert metrics(app)[0] == down(split_radius(0.5, N, 0.001), 3)


@pytest.mark.parametrize("counted", ["", "x", "a.b.c", "{}.1-2.3", "{}.100.500", "{}.-1.²"])
def test_a_claim_that_cannot_be_is_not_shown(open_page, line, counted):
    digest = claimed_link(open_page)["counted"].split(".")[0]
    line.executor = Never()
    app = open_page(n=N, image="shapes/test/9", seed=3, counted=counted.format(digest))
    assert "claimed" not in words(app) and not app.metric and not app.exception


def test_a_stored_example_is_walked_at_once_and_no_longer_once_it_is_read_otherwise(
    open_page, monkeypatch
):
    load, counted = examples.load, []
    kept = examples.Walk(
        np.full(3072, 3072**-0.5, np.float32), {i / 4: 1 - i / 24 for i in range(13)}
    )
    both = {"attack": kept, "random": kept}
    monkeypatch.setattr(examples, "load", lambda c: [replace(e, walks=both) for e in load(c)])
    monkeypatch.setattr(walks, "direction", lambda *_: torch.zeros(3, 32, 32))
    monkeypatch.setattr(walks, "share_at", lambda *_: counted.append(1) or 0.5)
    app = open_page()
    app.session_state["see_radius"] = True
    app.run()
    strip = next(h.proto.body for h in app.get("html") if "attack found" in h.proto.body)
    app.button(key="make_strip").click().run()
    assert not app.exception and not counted
    app.select_slider(key="alpha").set_value(0.01).run()
    assert counted
    again = next(h.proto.body for h in app.get("html") if "attack found" in h.proto.body)
    assert again != strip


def test_the_radius_can_be_seen_along_two_directions_and_saved(open_page):
    app = open_page(n=N, image="shapes/test/8")
    app.session_state["see_radius"] = True
    app.run()
    strip = next(h.proto.body for h in app.get("html") if "attack found" in h.proto.body)
    assert "In a random direction" in strip and strip.count("<img") == 2
    app.slider(key="far").set_value(2.0).run()
    assert strip not in [h.proto.body for h in app.get("html")]
    app.button(key="make_strip").click().run()
    assert {"Strip (PNG)", "Film (GIF)"} <= {b.proto.label for b in app.get("download_button")}
    assert not app.exception
