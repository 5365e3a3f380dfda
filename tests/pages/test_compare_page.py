import hashlib
import json
import re
from html import escape
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rsviz.data import catalog
from rsviz.data.labels import labels
from rsviz.evaluation import published
from tests.evaluation.test_curves import FIELD, own

APP = str(Path(__file__).parents[2] / "app.py")
NET = "shapes-gaussian-0.5, σ 0.5"
COHEN = "Gaussian, Cohen et al. 2019, σ 0.5"
ROWS = [(i % 10, "10 0", f"{990 - i} {10 + i}") for i in range(60)]
HALF = {"dataset": "shapes", "every": None, "first": 60}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """One folder of checkpoints with two measured logs; the weights are not needed here."""
    for sigma in (0.5, 0.25):
        log = own(ROWS, range(60), 1, sigma=sigma, **HALF)
        net = tmp_path / f"shapes-gaussian-{sigma}"
        net.mkdir()
        (net / "certified.csv").write_text(log)
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("RSVIZ_LOGS", str(tmp_path / "logs"))
    monkeypatch.setattr(
        "rsviz.evaluation.contradictions.labels", lambda *_: None
    )  # these are made up
    return tmp_path


def opened(**query):
    at = AppTest.from_file(APP, default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    at.switch_page("pages/compare.py").run()
    assert not at.exception and not at.error
    return at


def curves_of(at):
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    return [t["name"] for t in figure["data"] if t.get("name")]


def click(at, radius):
    at.session_state["curves"] = {"selection": {"points": [{"x": radius, "y": 0.5}]}}
    return at.run()


def test_it_opens_with_what_was_measured_beside_a_paper_that_is_marked():
    at = opened()
    names = curves_of(at)
    assert names[:2] == ["shapes-gaussian-0.25, σ 0.25", NET]
    assert COHEN in names[2] and "≠ data set, images, n, alpha" in names[2]
    (reasons,) = [e for e in at.expander if "Not like for like" in e.label]
    assert "data set" in reasons.markdown[0].value
    table = at.dataframe[0].value
    assert list(table["from"]) == ["measured here", "measured here", "published"]
    assert table["ACR"][2] == pytest.approx(0.5375)
    assert any("alpha 0.01" in c.value for c in at.caption)


def test_every_weighting_of_an_ensemble_is_a_log_of_its_own(folder):
    logs = folder / "shapes-both" / "weightings"
    logs.mkdir(parents=True)
    for name, size in (("optimal", 60), ("average", 40)):
        (logs / f"{name}.csv").write_text(own(ROWS, range(size), 1, sigma=0.5, **HALF))
    names = [f"shapes-both, σ 0.5, {w}" for w in ("average", "optimal")]
    at = opened(measured=names)
    assert [n.partition(" <b>")[0] for n in curves_of(at)] == names
    table = at.dataframe[0].value
    assert list(table["count"]) == [40, 60]
    assert table["source"][1] == "checkpoints/shapes-both/weightings/optimal.csv"


def test_without_any_log_the_papers_stand_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("RSVIZ_CHECKPOINTS", str(tmp_path / "none"))
    at = opened()
    assert curves_of(at) == [COHEN]
    assert not [e for e in at.expander if "Not like" in e.label]
    at.multiselect(key="published").set_value([]).run()
    assert "Choose a curve" in at.info[0].value


def test_cohen_measured_at_the_same_settings_is_not_marked():
    at = opened()
    at.multiselect(key="published").set_value([]).run()
    assert not any("≠" in name for name in curves_of(at))


def test_a_click_brings_the_images_that_stand_and_those_that_do_not():
    at = click(opened(), 0.25)
    at.selectbox(key="behind").set_value(NET).run()
    images = at.dataframe[0].value
    assert list(images["label"]) == [catalog.CLASSES["shapes"][0]] * 6  # class 0 of ten, sixty
    assert images["radius"].is_monotonic_increasing and images["radius"].min() >= 0.25
    assert any("Shapes" in c.value or "→" in c.value for c in at.caption)
    at.button_group(key="fate").set_value("wrong").run()
    assert len(at.dataframe[0].value) == 54 and not at.error


def test_a_curve_of_a_paper_alone_has_no_images_to_show():
    at = opened()
    at.multiselect(key="measured").set_value([]).run()
    click(at, 0.5)
    assert not at.exception and "image" not in at.dataframe[0].value


def test_equal_n_and_subsets_say_what_they_cannot_do():
    at = opened()
    at.selectbox(key="images").set_value("first 500").run()
    assert any("holds 60 of the 500 images" in c.value for c in at.caption)
    at.toggle(key="equal_n").set_value(True).run()
    assert not at.error and at.number_input(key="seed").value == 0


def test_the_envelope_joins_the_plot():
    at = opened()
    at.multiselect(key="published").set_value([COHEN, "Gaussian, Cohen et al. 2019, σ 0.25"]).run()
    at.toggle(key="best").set_value(True).run()
    assert sum("best over σ" in name for name in curves_of(at)) == 2
    assert any("chosen afterwards" in c.value for c in at.caption)


def test_norms_are_not_mixed_on_one_axis():
    at = opened()
    at.multiselect(key="published").set_value(["ARS, Lyu et al. 2024, sample log, σ 0.5"]).run()
    assert len(curves_of(at)) == 2 and any(
        "not drawn on an axis of L2" in c.value for c in at.caption
    )
    at.button_group(key="norm").set_value("Linf").run()
    assert len(curves_of(at)) == 3
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert "Linf" in figure["layout"]["xaxis"]["title"]["text"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cat.png", b"\x89PNG\x0d\x0a\x1a\x0a\x00", "not a text file"),
        ("words.csv", b"hello\nworld\n", "is not a log"),
        ("empty.tsv", FIELD.splitlines()[0].encode() + b"\n", "holds no images yet"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(name, data, message):
    at = opened()
    at.file_uploader(key="logs").set_value((name, data, "text/csv")).run()
    assert len(at.error) == 1 and message in at.error[0].value and not at.exception
    assert len(curves_of(at)) == 3  # the others stay


def test_an_uploaded_table_joins_and_its_settings_can_be_stated():
    at = opened()
    at.file_uploader(key="logs").set_value(("mine.tsv", FIELD.encode(), "text/plain")).run()
    assert (
        "mine, yours" in curves_of(at)[2]
        and "≠ norm, data set, split, images, n, alpha" in (curves_of(at)[2])
    )
    answer(at, "mine", dataset="cifar10", n=100_000, sigma=0.5)
    table = at.dataframe[0].value
    assert (table["data set"][2], table["n"][2], table["sigma"][2]) == ("cifar10", 100_000, 0.5)
    assert table["ACR"][2] == pytest.approx(0.1875)
    other = opened()  # another visitor
    assert not any("mine" in name for name in curves_of(other))


CASES = Path(__file__).parents[1] / "cases"


def upload(at, *names):
    files = [(n, (CASES / n).read_bytes(), "text/plain") for n in names]
    at.file_uploader(key="logs").set_value(files).run()
    assert not at.exception
    return at


def answer(at, name, **settings):
    """Answer the questions that an uploaded log leaves, which are keyed by its content."""
    text = FIELD.encode() if name == "mine" else (CASES / name).read_bytes()
    key = hashlib.sha256(text).hexdigest()[:16]
    for what, value in settings.items():
        kind = "number_input" if what in ("sigma", "n", "alpha") else "selectbox"
        getattr(at, kind)(key=f"{what}_{key}").set_value(value).run()
    assert not at.exception


def test_settings_stay_with_their_log_when_another_is_taken_away():
    at = upload(opened(), "first.tsv", "second.tsv")
    answer(at, "first.tsv", sigma=0.25, n=1_000, norm="L2")
    answer(at, "second.tsv", sigma=1.0, n=100_000, norm="L2", split="test")
    before = at.dataframe[0].value.set_index("curve")
    assert before["sigma"]["first, yours"] == 0.25 and before["sigma"]["second, yours"] == 1.0
    upload(at, "second.tsv")
    after = at.dataframe[0].value.set_index("curve")
    assert "first, yours" not in after.index
    for what, value in {"sigma": 1.0, "n": 100_000, "norm": "L2", "split": "test"}.items():
        assert after[what]["second, yours"] == value
    upload(at, "second.tsv", "first.tsv")  # in another order, and the first one comes back
    again = at.dataframe[0].value.set_index("curve")
    assert again["sigma"]["second, yours"] == 1.0
    assert again["n"]["second, yours"] == 100_000


def test_the_same_file_twice_is_one_log():
    at = upload(opened(), "first.tsv", "first.tsv")
    assert sum("first, yours" in name for name in curves_of(at)) == 1
    assert any("is the same log as" in i.value for i in at.info)


def test_two_logs_of_one_name_are_told_apart_by_what_they_hold():
    at = opened()
    other = FIELD.replace("0.500", "0.600")
    files = [("log.tsv", text.encode(), "text/plain") for text in (FIELD, other)]
    at.file_uploader(key="logs").set_value(files).run()
    names = [n.partition(" <b>")[0] for n in curves_of(at) if n.startswith("log, yours")]
    assert len(set(names)) == 2 and not at.exception
    at.selectbox(key="spread").set_value(names[1]).run()
    at.file_uploader(key="logs").set_value(files[1:]).run()
    assert not at.exception and names[0] not in at.selectbox(key="spread").options


def test_radii_beyond_what_was_stated_are_told_and_not_drawn():
    at = upload(opened(), "beyond-ceiling.tsv")
    assert any("beyond-ceiling" in name for name in curves_of(at))
    answer(at, "beyond-ceiling.tsv", sigma=0.25, n=1_000, alpha=0.001)
    assert not any("beyond-ceiling" in name for name in curves_of(at))
    (error,) = at.error
    assert "16 of its 30 radii are larger than 0.616" in error.value.replace("\\", "")
    answer(at, "beyond-ceiling.tsv", sigma=0.5)
    assert any("beyond-ceiling" in name for name in curves_of(at)) and not at.error


def test_a_radius_that_no_pictures_have_is_refused_and_the_page_stays_up():
    at = upload(opened(), "huge-radius.tsv", "running-total.tsv", "byte-order-mark.csv")
    (error,) = at.error
    assert "no two pictures" in error.value
    assert not any("huge-radius" in name for name in curves_of(at))
    assert any("running-total, yours" in name for name in curves_of(at))
    assert any("right so far" in c.value for c in at.caption)
    at.multiselect(key="radii").set_value([0.0]).run()
    table = at.dataframe[0].value.set_index("curve")
    assert table["at 0"]["running-total, yours"] == 75.0
    assert table["ACR"]["byte-order-mark, yours"] == pytest.approx(0.334, abs=5e-4)
    assert table["split"]["byte-order-mark, yours"] == "unknown"


@pytest.mark.cifar
def test_a_log_of_the_training_images_is_not_shown_beside_test_images(monkeypatch):
    monkeypatch.setattr("rsviz.evaluation.contradictions.labels", labels)
    at = opened(measured=[], published=COHEN)
    upload(at, "other-split.tsv")
    answer(at, "other-split.tsv", dataset="cifar10")
    (error,) = at.error
    assert "56 of 500 agree" in error.value and "It is not drawn" in error.value
    answer(at, "other-split.tsv", split="train")
    assert not at.error
    assert "split" in next(n for n in curves_of(at) if "other-split" in n)


def test_no_pictures_stand_beside_a_log_whose_split_is_not_stated():
    at = upload(opened(), "first.tsv")
    answer(at, "first.tsv", dataset="shapes")
    click(at, 0.25)
    at.selectbox(key="behind").set_value("first, yours").run()
    assert any("split of this log is not stated" in c.value for c in at.caption)
    assert not at.get("imgs")


def test_a_name_from_a_file_is_text_and_nothing_else():
    at = opened()
    bad = "![x](http://evil.example/x.png)"
    data = FIELD.replace("0.500", f"<b>{bad}</b>").encode()
    at.file_uploader(key="logs").set_value([(f"{bad}.tsv", data, "text/plain")]).run()
    (error,) = at.error
    assert not re.search(r"(?<!\\)[\[<!]", error.value)
    at.file_uploader(key="logs").set_value([(f"{bad}.tsv", FIELD.encode(), "text/plain")]).run()
    for element in (*at.caption, *at.warning, *at.markdown):
        assert not re.search(r"(?<!\\)\]\(http://evil", element.value)


def test_noise_far_from_that_of_training_carries_a_flag(folder):
    net = folder / "shapes-gaussian-0.25"
    (net / "certified-1.csv").write_text(own(ROWS, range(60), 1, sigma=1.0, **HALF))
    card = {"name": net.name, "method": "gaussian", "dataset": "shapes", "network": "compact"}
    (net / "card.json").write_text(json.dumps(card | {"sigma": 0.25, "sha256": "0" * 64}))
    (net / "weights.safetensors").write_bytes(b"")  # other weights, so it is listed with a problem
    at = opened(measured=["shapes-gaussian-0.25, σ 1", NET])
    assert "⚑ smoothed at σ 1, but trained at σ 0.25" in curves_of(at)[0]
    assert "⚑" not in curves_of(at)[1]
    assert any("trained at σ 0.25" in c.value.replace("\\", "") for c in at.caption)


def test_a_bad_log_in_a_folder_is_named_and_the_rest_is_shown(folder):
    (folder / "broken").mkdir()
    (folder / "broken" / "certified.csv").write_text("nonsense")
    at = opened()
    assert any("broken" in w.value and "not a log" in w.value for w in at.warning)
    assert len(curves_of(at)) == 3


def test_the_histograms_follow_the_log_chosen():
    at = opened()
    at.selectbox(key="spread").set_value(NET).run()
    bars = json.loads(at.get("plotly_chart")[1].proto.spec)["data"]
    assert bars[0]["name"] == "right (6)" and bars[1]["name"] == "wrong (54)"
    low, high = 0.0, 5.0
    point = {"customdata": [NET, low, high]}
    at.session_state["radii_bars"] = {"selection": {"points": [point]}}
    at.run()
    assert len(at.dataframe[-1].value) == 60


def test_papers_without_numbers_are_named_with_where_they_would_be():
    at = opened()
    (told,) = [e for e in at.expander if "no numbers" in e.label]
    said = " ".join(m.value for m in told.markdown)
    assert "2103.04436" in said and "roy-ch/Input-Specific-Certification" in said


def test_each_set_holds_published_curves_that_are_there():
    at = opened()
    for name, members in published.SETS.items():
        at.button_group(key="set").set_value(name).run()
        assert not at.error and not at.exception
        assert [n.split(" <b>")[0] for n in curves_of(at)] == [escape(m) for m in members]
    at.button_group(key="set").set_value(None).run()
    assert len(curves_of(at)) == 3


def test_a_link_shows_what_it_names_and_nothing_else():
    dual = "Dual RS, 2025"
    assert curves_of(opened(published=dual)) == [dual]
    assert curves_of(opened(measured=NET)) == [NET]
    nonsense = opened(published="Nobody 2030")
    assert "Choose a curve" in nonsense.info[0].value


def test_the_camera_saves_curves_as_svg(open_page):
    plot = open_page("compare").get("plotly_chart")[0]
    assert json.loads(plot.proto.config)["toImageButtonOptions"]["format"] == "svg"


def test_the_two_class_form_stands_beside_the_fields_and_is_marked():
    at = opened()
    before = curves_of(at)
    at.toggle(key="two_class").set_value(True).run()
    assert not at.exception and not at.error
    added = [name for name in curves_of(at) if name not in before]
    assert len(added) == 2, "of both logs; a paper has no votes"
    assert all(", two-class" in name and "≠ form" in name for name in added)
    assert any("another protocol" in c.value for c in at.caption)
    table = at.dataframe[0].value
    forms = dict(zip(table["curve"], table["form"], strict=True))
    assert len(forms) == 5 and forms[f"{NET}, two-class"] == "two-class"
    assert {form for name, form in forms.items() if "two-class" not in name} == {"one-sided"}


def test_the_radius_whose_images_are_shown_is_in_the_address_and_can_be_typed():
    at = opened(at_radius="0.25")
    assert at.number_input(key="at_radius").value == 0.25
    at.selectbox(key="behind").set_value(NET).run()
    assert len(at.dataframe[0].value) == 6
    at.number_input(key="at_radius").set_value(3.0).run()
    assert len(at.dataframe) == len(opened().dataframe)  # none is certified that far
    assert not at.exception


def test_a_radius_typed_after_a_click_counts():
    at = click(opened(), 0.25)
    assert at.number_input(key="at_radius").value == 0.25
    at.number_input(key="at_radius").set_value(0.5).run()
    assert at.number_input(key="at_radius").value == 0.5


def test_a_curve_keeps_its_colour_when_another_comes():
    at = opened()

    def colours():
        figure = json.loads(at.get("plotly_chart")[0].proto.spec)
        return {
            t["name"].split(" <b>")[0]: t["line"]["color"] for t in figure["data"] if t.get("name")
        }

    at.multiselect(key="measured").set_value([NET]).run()
    before = colours()
    at.multiselect(key="measured").set_value(["shapes-gaussian-0.25, σ 0.25", NET]).run()
    after = colours()
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after) == 3


def test_the_plot_stands_above_its_selectors_and_the_table_has_four_columns():
    at = opened()
    kinds = [element.type for element in at.main]
    assert kinds.index("plotly_chart") < kinds.index("multiselect")
    assert list(at.dataframe[0].proto.column_order) == ["curve", "ACR", "at 0.5", "at 1"]
    at.toggle(key="every_setting").set_value(True).run()
    assert not at.dataframe[0].proto.column_order


def test_what_is_wrong_with_a_log_stands_outside_the_popover():
    at = opened()
    at.file_uploader[0].set_value(("bad.csv", b"nonsense", "text/csv")).run()
    (error,) = at.error
    (popover,) = (b for b in at.get("popover") if "Your logs" in b.proto.popover.label)
    assert error.value not in [e.value for e in popover.get("error")]


def test_an_unknown_log_in_the_address_is_told_until_the_choice_is_changed():
    at = opened(measured=["no such log [x](http://evil)", NET])
    assert curves_of(at) == [NET]
    (said,) = [w.value for w in at.warning]
    assert "measured=no such log" in said and "can be" in said
    assert r"\[x\](http\:" in said  # no link
    at.multiselect(key="measured").set_value([]).run()
    assert not at.warning
