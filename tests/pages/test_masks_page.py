import io
import math

import pytest
from PIL import Image

from rsviz.checkpoints import catalog, weights
from rsviz.core.radius import down, radius_l2, radius_linf
from rsviz.data import shape_attributes
from rsviz.data.catalog import CLASSES
from rsviz.networks import inspection
from rsviz.ui.masks.rivals import titles
from tests.helpers import ALWAYS, make_attribute, make_rivals

N, D = 500, 3 * 48 * 48
NAME = CLASSES["shapes"][ALWAYS]


@pytest.fixture(scope="module")
def rivals(tmp_path_factory):
    return make_rivals(tmp_path_factory.mktemp("rivals"))


@pytest.fixture
def open_masks(open_page, rivals, monkeypatch):
    """Return a function that opens Masks with an address."""
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(rivals))
    return lambda **query: open_page("masks", **query)


class Never:
    """An executor that leaves every job waiting."""

    def submit(self, work):
        pass


def words(app):
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(element.value for kind in kinds for element in getattr(app, kind))


def pictures(app):
    """The address of every picture, which follows from its bytes."""
    return [image.url for shown in app.get("image") for image in shown.proto.imgs]


def compose(app):
    return app.segmented_control(key="canvas_source").set_value("compose").run()


def metrics(app):
    return [m.value for m in app.metric]


def test_a_network_of_three_looks_is_shown_look_by_look(open_page, tmp_path, monkeypatch):
    two, three = (
        make_attribute(tmp_path / name, looks=i) for name, i in (("two", 2), ("three", 3))
    )
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    at = {c.name: open_page("masks", n=N, checkpoint=c.name) for c in (two, three)}
    assert not at["three"].exception and "Every vote looks **twice**" in words(at["two"])
    told = words(at["three"])
    for said in ("looks **3 times**", "Third look: masked", "of the third", "share $1-f$ equally"):
        assert said in told and said not in words(at["two"])
    more = len(pictures(at["three"])) - len(pictures(at["two"]))
    assert more == 4  # a mask and its scale, outlined over the canvas, what the look returns


def test_the_first_paint_shows_one_vote_while_a_first_look_waits(open_masks, line):
    line.executor = Never()
    app = open_masks(n=10000)
    assert not app.exception
    (job,) = line.jobs
    assert {spec.n for spec in job.key[1]} == {1000}
    told = words(app)
    assert f"This vote: **{NAME}**" in told
    assert "These maps guarantee nothing" in told
    assert not app.metric
    assert not [b for b in app.button if b.key == "certify"]  # Stop stands in its place
    job.state = "cancelled"
    app.run().button(key="certify").click().run()
    assert {spec.n for spec in line.jobs[-1].key[1]} == {10000}


def test_all_three_certify_the_same_canvas_in_linf(open_masks):
    app = open_masks(n=N)
    assert not app.exception
    p_a = (0.8 * 0.001) ** (1 / N)
    radius = radius_linf(radius_l2(1.0, p_a), D)
    assert metrics(app)[0] == f"{down(255 * radius, 2)}/255"
    assert f"{NAME.capitalize()}, certified within {metrics(app)[0]}" in words(app)
    (table,) = (d.value for d in app.dataframe if "p_A at least" in d.value)
    assert list(table["method"]) == list(titles().values())
    assert list(table["radius"]) == [float(down(radius, 5))] * 3
    told = words(app)
    assert "**3 statements of this picture** were made in this session (network" in told
    strict = radius_linf(radius_l2(1.0, (0.8 * 0.001 / 3) ** (1 / N)), D)
    assert f"it certifies {down(255 * strict, 2)}/255" in told
    for title in list(titles().values())[1:]:
        assert f"{title.partition(':')[0]} {metrics(app)[0]}" in words(app)
    # In L2 the same votes prove 2.4 times the Linf radius, no more.
    in_l2 = radius_l2(1.0, p_a) / math.sqrt(0.5 + 0.5 * 48 * 48)
    assert any(f"= {down(in_l2, 4)}" in formula.value for formula in app.latex)


def test_the_change_asked_about_is_the_certified_one(open_masks, line):
    executor, line.executor = line.executor, Never()
    (change,) = [s for s in open_masks(n=N).slider if s.label.startswith("How large")]
    assert change.value == 8
    line.executor = executor
    app = open_masks(n=N)
    (change,) = [s for s in app.slider if s.label.startswith("How large")]
    radius = radius_linf(radius_l2(1.0, (0.8 * 0.001) ** (1 / N)), D)
    assert change.value == round(2 * 255 * radius) / 2 != 8
    assert not app.exception


def test_another_canvas_or_split_asks_again(open_masks, line):
    app = open_masks(n=N)
    line.executor = Never()
    app.slider(key="f").set_value(0.3).run()
    assert not app.metric
    app.slider(key="f").set_value(0.5).run()
    assert app.metric
    app.number_input(key="canvas").set_value(11).run()
    assert not app.metric
    assert not app.exception


def test_a_new_seed_is_added_to_the_history(open_masks):
    app = open_masks(n=N)
    assert not [d for d in app.dataframe if "seed" in d.value]
    app.number_input(key="seed").set_value(1).run()
    (table,) = (d.value for d in app.dataframe if "seed" in d.value)
    assert list(table["seed"]) == [0, 1]
    assert not app.exception


def test_a_race_of_other_settings_is_stopped(open_masks, line):
    line.executor = Never()
    app = open_masks(n=N)
    (job,) = line.jobs
    assert not job.cancel.is_set()
    app.number_input(key="seed").set_value(4).run()
    assert job.cancel.is_set()


def test_stopping_leaves_nothing_certified_by_clopper_pearson(open_masks, line):
    line.executor = Never()
    app = open_masks(n=N)
    app.button(key="stop").click().run()
    assert line.jobs[0].cancel.is_set()
    assert not app.exception


def test_the_scrubber_and_the_split_change_the_noise(open_masks):
    app = open_masks()
    before = pictures(app)
    app.slider(key="draw").set_value(9).run()
    after = pictures(app)
    assert len(after) == len(before) >= 8
    assert after[0] == before[0]  # the canvas itself
    assert after[1] != before[1]  # the first look
    app.slider(key="f").set_value(0.8).run()
    assert "Noise of the first look 1.12" in words(app)  # 1 / sqrt(.8)
    assert not app.exception


def test_composing_places_a_shape_where_one_says(open_masks):
    app = compose(open_masks())
    app.segmented_control(key="background").set_value("gradient").run()
    assert not app.exception
    app.slider(key="top_16").set_value(0).run()
    app.slider(key="left_16").set_value(16).run()
    assert not app.exception
    assert "True label: **" in words(app)
    assert "Does it find the object?" in words(app)


def test_the_mark_of_an_attribute_can_be_looked_at_and_composed(open_masks, tmp_path, monkeypatch):
    make_attribute(tmp_path / "attribute")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_masks()
    assert not app.exception
    label = shape_attributes.CLASSES[shape_attributes.label_of(shape_attributes.SEEDS["test"], 680)]
    assert f"True label: **{label}**" in words(app)
    app = compose(app)
    app.segmented_control(key="mark").set_value(1).run()
    assert "True label: **closed**" in words(app)
    open_one = pictures(app)[0]
    app.segmented_control(key="mark").set_value(0).run()
    assert "True label: **open**" in words(app)
    assert pictures(app)[0] != open_one
    assert not app.exception


def test_a_network_brings_the_split_it_was_trained_for(open_masks, tmp_path, monkeypatch):
    make_attribute(tmp_path / "attribute", f=0.3721)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_masks()
    assert app.slider(key="f").value == pytest.approx(0.37)
    assert "Noise of the first look 1.64" in words(app)  # 1 / sqrt(.37)
    assert not app.exception


def test_an_upload_has_no_label_and_its_box_is_its_object(open_masks):
    app = compose(open_masks())
    app.segmented_control(key="pasted").set_value("upload").run()
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (200, 30, 30)).save(out, "PNG")
    app.file_uploader[0].set_value(("red.png", out.getvalue(), "image/png")).run()
    assert not app.exception
    told = words(app)
    assert "shows none of these 10" in told and "You say" not in told
    (asked,) = [s for s in app.selectbox if s.label == "Which of these is it?"]
    asked.set_value("none of these").run()
    assert "None of these 10, you say" in words(app) and "You say: **none of" in words(app)
    (asked,) = [s for s in app.selectbox if s.label == "Which of these is it?"]
    asked.set_value(NAME).run()
    assert f"You say: **{NAME}**" in words(app) and "None of these" not in words(app)
    assert "the pasted picture (its object is not known)" in told
    app.file_uploader[0].set_value(("red.png", b"no picture", "image/png")).run()
    assert "red.png" in app.error[0].value
    assert not app.exception


def test_without_a_network_with_a_mask_the_page_says_what_to_do(open_page):
    app = open_page("masks")
    assert "no network with a mask" in app.error[0].value
    assert not app.exception


def test_rivals_that_are_missing_are_named(open_masks, rivals, tmp_path, monkeypatch):
    (tmp_path / "shapes-k48-adaptive").symlink_to(rivals / "shapes-k48-adaptive")
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    app = open_masks(n=N)
    told = words(app)
    assert "One static mask: no network for these canvases is here." in told
    assert "No mask: plain smoothing: no network for these canvases is here." in told
    assert len(app.metric) == 2
    assert "No rival is here" in told


def test_the_networks_of_a_card_are_those_loaded(rivals):
    nets = weights.load_nets(catalog.find("shapes-k48-adaptive", rivals))
    assert set(nets) == {"classifier", "mask"}
    assert inspection.class_count(nets["classifier"]) == 10


def test_shipped_networks_show_what_the_mask_gains_and_costs(open_page, monkeypatch):
    monkeypatch.delenv("RSVIZ_CHECKPOINTS")
    app = open_page("masks")
    assert not app.exception
    told = words(app)
    assert "Does it pay?" in told and "Certified accuracy at 2/255" in told
    app.segmented_control(key="gain_at").set_value(4).run()
    assert not app.exception
    assert "Certified accuracy at 4/255" in words(app)
    (table,) = (d.value for d in app.dataframe if "arithmetic" in d.value)
    plain = table[table["method"] == "No mask: plain smoothing"]
    assert set(plain["arithmetic"]) == {"1.00 ×"}
    assert {"shapes", "shapes-k48", "shapes-k64"} <= set(table["canvases"])
