"""What choosing a level costs, and what it holds under attack, from shipped logs and tables."""

from collections.abc import Mapping, Sequence

import streamlit as st

from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint
from rsviz.core.bounds import binomial_interval
from rsviz.core.errors import UserError
from rsviz.data.catalog import INPUT_SIZE
from rsviz.evaluation import attack_tables, chosen_levels
from rsviz.evaluation.attack_tables import UnderAttack
from rsviz.figures import levels
from rsviz.figures.levels import Attacked
from rsviz.methods.registry import METHODS
from rsviz.ui.common import charts
from rsviz.ui.common.address import plain

PAPER_RATIO = 1.6  # "at most", Dual RS (arXiv 2512.01782)


def show_costs(selectors: Mapping[str, Checkpoint]) -> None:
    """Show votes and multiply-adds of each chooser beside those of plain smoothing."""
    found = {}
    for method, c in selectors.items():
        if measured := c.card.measured:
            found[METHODS[method].label] = _cost(c.name, c.sha256, measured[0].log)
    if not found:
        return
    st.subheader("What choosing costs")
    st.dataframe(
        [
            {
                "method": name,
                "votes for the level": round(cost.chooser),
                "votes for the class": round(cost.classifier),
                "a level vote costs": f"{cost.share:.2f} of a class vote",
                "arithmetic": f"{cost.ratio:.2f} × plain",
                "seconds": round(cost.seconds, 2),
            }
            for name, cost in found.items()
        ],
        hide_index=True,
    )
    plain = next(iter(found.values())).plain
    st.caption(
        f"Means over the test images of the logs. Plain smoothing asks {plain:,} votes of one "
        "network. Seconds are those the log holds, on whatever else that machine then did. Dual "
        f"RS's paper says at most {PAPER_RATIO:g} times the time of plain smoothing."
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _cost(name: str, sha256: str, file: str) -> chosen_levels.Cost:
    checkpoint = catalog.find(name)
    share = chosen_levels.share(weights.load_nets(checkpoint), INPUT_SIZE[checkpoint.card.dataset])
    return chosen_levels.of_log(checkpoint.folder / file, share)


def show_attacked(checkpoint: Checkpoint) -> None:
    """Show clean against attacked accuracy of fixed levels and of the selector, if measured."""
    file = checkpoint.folder / attack_tables.FILE
    if not file.is_file():
        return
    try:
        found = attack_tables.read(file)
    except UserError as error:
        st.caption(plain(str(error), 300))
        return
    st.subheader("Under attack: one level for all, or one for each?")
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
        f"{len(found.head.images)} test images moved by up to {spec.eps:g} in L2 "
        f"({spec.steps} steps through {spec.draws} noisy copies). f is the classifier, h the "
        "selector. Up and to the right is better. **Not a certificate:** a stronger attack may "
        f"break more. Made by `{found.head.command}`."
    )


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
