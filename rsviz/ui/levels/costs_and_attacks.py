"""What choosing a level costs, and what it holds under attack, from shipped logs and tables."""

from collections.abc import Sequence
from math import nan

import numpy as np
import streamlit as st

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.core.files import kept
from rsviz.core.radius import down, rounded_up
from rsviz.data.catalog import CLASSES, INPUT_SIZE
from rsviz.evaluation import attack_logs, attack_tables, chosen_levels
from rsviz.evaluation.attack_tables import UnderAttack
from rsviz.evaluation.logs import read_log
from rsviz.figures import levels
from rsviz.figures.levels import Attacked, Sent
from rsviz.ui.common import charts
from rsviz.ui.common.address import plain
from rsviz.ui.levels import test_set
from rsviz.ui.levels.test_set import Group
from rsviz.ui.page_list import page_path

PAPER_RATIO = 1.6  # "at most", Dual RS (arXiv 2512.01782)


def show_costs(group: Group) -> None:
    """Show to which levels each chooser sends the images, and its votes beside plain smoothing."""
    found = test_set.chosen_of(group)
    costs = {n: _cost(c.name, c.sha256, m.log) for n, c, m in group.choosers if n in found}
    if not costs:
        return
    st.subheader("Where each sends the images, and what choosing costs")
    oracle = next(iter(found.values()))
    rows = {"oracle": _sent(np.where(oracle.worth_N, oracle.best_N, nan))}
    rows |= {name: _sent(found[name].level_N, cost.ratio) for name, cost in costs.items()}
    charts.show_figure(levels.sent(rows), "sent", levels.sent_in_words(rows))
    plain = next(iter(costs.values())).plain
    each = [_row(name, cost) for name, cost in costs.items()]
    each += [
        {
            "method": f"level {level:g} for all",
            "votes for the level": 0,
            "votes for the class": plain,
            "a level vote costs": "",
            "arithmetic": "1.00 × plain",
            "seconds": round(chosen_levels.seconds_of(file), 2),
        }
        for level, file in group.files.items()
    ]
    st.dataframe(each, hide_index=True)
    st.caption(
        f"Means over the same test images. Plain smoothing asks {plain:,} votes of one network. "
        "Arithmetic is votes times the multiply-adds of the network that casts them. Seconds are "
        "those the logs hold, on whatever else that machine then did, and of all votes that were "
        "counted, needed or not: compare votes and arithmetic. Dual RS's paper says at most "
        f"{PAPER_RATIO:g} times the time of plain smoothing; "
        "`python -m rsviz experiments show level-seconds` times them side by side."
    )


def _sent(level_N: levels.Floats, cost: float | None = None) -> Sent:
    known = float(np.mean(~np.isnan(level_N)))
    shares = {level: known * share for level, share in levels.shares(level_N).items()}
    return Sent(shares, 1 - known, cost)


def _row(name: str, cost: chosen_levels.Cost) -> dict[str, str | float]:
    return {
        "method": name,
        "votes for the level": round(cost.chooser),
        "votes for the class": round(cost.classifier),
        "a level vote costs": f"{cost.share:.2f} of a class vote" if cost.chooser else "",
        "arithmetic": f"{cost.ratio:.2f} × plain",
        "seconds": round(cost.seconds, 2),
    }


@st.cache_data(max_entries=64, show_spinner=False)
def _cost(name: str, sha256: str, file: str) -> chosen_levels.Cost:
    checkpoint = catalog.find(name)
    share = chosen_levels.share(weights.load_nets(checkpoint), INPUT_SIZE[checkpoint.card.dataset])
    return chosen_levels.of_log(checkpoint.folder / file, share)


def show_attacked(checkpoint: Checkpoint) -> None:
    """Show clean against attacked accuracy of fixed levels and of the selector, if measured."""
    tables = {}
    for name in (attack_tables.MANY, attack_tables.FILE):
        try:
            if kept(file := checkpoint.folder / name).is_file():
                table = attack_tables.read(file)
                tables[f"{len(table.head.images):,}"] = table
        except UserError as error:
            st.caption(plain(str(error), 300))
    if not tables:
        return
    st.subheader("Under attack: one level for all, or one for each?")
    found = _picked(tables)
    lines = {
        "fixed level": _points(found, found.fixed, "f"),
        "chosen, attack on f": _points(found, found.chosen, "f"),
        "chosen, attack on f and h": _points(found, found.chosen, "f and h"),
    }
    charts.show_figure(
        levels.clean_against_attacked(lines),
        "under_attack",
        "Clean against attacked accuracy of fixed and of chosen noise levels.",
    )
    spec = found.head.spec
    st.caption(
        f"{len(found.head.images):,} test images moved by up to {spec.eps:g} in L2 "
        f"({spec.steps} steps through {spec.draws} noisy copies). f is the classifier, h the "
        "selector. Up and to the right is better. **Not a certificate:** a stronger attack may "
        f"break more. Made by `{found.head.command}`."
    )


PAPER_STYLE = "experiments/paper-style.csv"  # attacks on radii that are no certificates


def show_broken(checkpoint: Checkpoint) -> None:
    """Show radii in the paper's style that an attack inside them broke, where one was found."""
    file = checkpoint.folder / PAPER_STYLE
    if not kept(file).is_file():
        return
    try:
        head, rows = attack_logs.read(file)
        sound = _sound_radii(checkpoint)
    except UserError as error:
        st.caption(plain(str(error), 300))
        return
    broken = [
        (row, budget)
        for row in rows
        for budget, verdict in row.verdicts
        if budget <= 1 and verdict == "broken"
    ]
    if not broken:
        return
    st.subheader("A radius without the proof, broken")
    classes = CLASSES[checkpoint.card.dataset]
    for row, budget in broken:
        own = sound.get(int(row.image.rpartition("/")[2]))
        beside = "" if own is None else f" The sound radius of its log is {down(own, 3)}."
        moved = f"{rounded_up(budget * row.radius, 4):.4f}"
        st.markdown(
            f"In the paper's style `{row.image}` is *{classes[row.predicted]}* as far as "
            f"**{down(row.radius, 4)}**. Moved by {moved}, inside that, it "
            "gets another level, and with it **another class**." + beside
        )
        st.page_link(
            page_path("levels"),
            label=f"Open {row.image} above",
            icon=":material/gpp_bad:",
            query_params={"image": row.image, "selector": checkpoint.card.method},
        )
    st.caption(
        f"The class after the move is that of PREDICT, {head.n_predict:,} votes. Made by "
        f"`{head.command}`."
    )


def _sound_radii(checkpoint: Checkpoint) -> dict[int, float]:
    """Return the radius of each image of a checkpoint's own log, none without one."""
    file = checkpoint.folder / "certified.csv"
    if not kept(file).is_file():
        return {}
    log = read_log(file)
    return dict(zip(log.index_N.tolist(), log.radius_N.tolist(), strict=True))


def _picked(tables: dict[str, UnderAttack]) -> UnderAttack:
    """Return the table of so many images as is asked for; those of more have fewer settings."""
    first = next(iter(tables))
    if len(tables) == 1:
        return tables[first]
    images = st.segmented_control(
        "Images attacked", list(tables), default=first, required=True, key="attacked_images"
    )
    return tables[images or first]


def _points(found: UnderAttack, settings: Sequence[str], attack: str) -> list[Attacked]:
    points = []
    for setting in settings:
        clean_N, attacked_N = found.of(setting, "none"), found.of(setting, attack)
        points.append(
            Attacked(
                setting.replace("sigma", "σ").replace("lambda", "λ"),
                float(clean_N.mean()),
                float(attacked_N.mean()),
                binomial_interval(int(clean_N.sum()), len(clean_N)),
                binomial_interval(int(attacked_N.sum()), len(attacked_N)),
            )
        )
    return points
