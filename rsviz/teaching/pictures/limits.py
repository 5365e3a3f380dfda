"""What a certificate does not say: a stored one of a wrong class, and hunted seeds.

Shape suffixes: K classes, S seeds.
"""

import math

import numpy as np
import plotly.graph_objects as go

from rsviz.core import bounds, radius
from rsviz.core.radius import down
from rsviz.data import shapes
from rsviz.evaluation import examples
from rsviz.figures.style import BLUE, GREEN, GREY, PURPLE, RED, RIGHT, WRONG, empty_figure
from rsviz.teaching.experiments import seed_hunting
from rsviz.teaching.pictures.base import Picture, aligned, coloured, here

SIGMA = 0.5


def wrong(noise: float) -> Picture:
    """Show the stored votes on one picture at the network's own noise, or at four times it."""
    own, noisy = examples.same_image()
    seen = min((own, noisy), key=lambda judged: abs(judged.sigma - noise))
    is_a, becomes = shapes.CLASSES[own.label], shapes.CLASSES[noisy.certificate.predicted or 0]
    before, after = own.certificate, noisy.certificate
    proved = coloured(GREEN, r"g(x+\delta) = g(x)")
    length = coloured(PURPLE, r"\lVert\delta\rVert")
    ball = rf"{length} < {coloured(BLUE, 'R')}"
    unsaid = [coloured(RED, term) for term in ("g(x) = y", "f(x) = g(x)")]
    answer = 0 if after.abstained else 1 if noisy.correct else 2
    said = (
        "abstains" if after.abstained else f"says '{becomes}' with radius {down(after.radius, 3)}"
    )
    return Picture(
        figure=_votes_figure(seen, revealed=True),
        teaser=_votes_figure(seen, revealed=seen is own),
        formula=aligned(
            rf"\text{{said:}}\quad & {proved}\ \text{{ for }}\ {ball}",
            rf"\text{{not said:}}\quad & {unsaid[0]}\ \text{{ or }}\ {unsaid[1]}",
        ),
        alt=(
            f"Votes on a picture of a {is_a}, by class, stored with the network. At sigma "
            f"{own.sigma:g} the certificate says '{shapes.CLASSES[before.predicted or 0]}' with "
            f"radius {down(before.radius, 3)}."
        ),
        answer=answer,
        reveal=(
            f"The picture shows '{is_a}'. At sigma {own.sigma:g} it is certified as such with "
            f"radius {down(before.radius, 3)}; at sigma {noisy.sigma:g} the same network {said}, "
            f"since {max(after.counts):,} of {sum(after.counts):,} noisy copies agree on it. The "
            "certificate is as valid as the first: it promises that the answer stays, and the "
            "answer is wrong."
        ),
    )


def _votes_figure(judged: examples.Judged, revealed: bool) -> go.Figure:
    """Draw the picture and a noisy copy of it above, the stored votes by class below."""
    certificate, label = judged.certificate, judged.label
    figure = empty_figure(520)
    drawing = shapes.draw(shapes.SEEDS["test"], judged.index)
    noise_HWC = np.random.default_rng(0).standard_normal(drawing.x_HWC.shape)
    copies = np.stack([drawing.x_HWC, drawing.x_HWC + judged.sigma * noise_HWC])
    for axis, x_HWC in zip(("2", "3"), copies, strict=True):
        z_HWC = np.round(255 * np.clip(x_HWC, 0, 1)).astype(np.uint8)
        figure.add_trace(go.Image(z=z_HWC, xaxis=f"x{axis}", yaxis=f"y{axis}", hoverinfo="skip"))
    if revealed:
        colours = [GREY] * len(certificate.counts)
        colours[certificate.predicted or 0] = RIGHT if judged.correct else WRONG
        figure.add_bar(
            x=list(shapes.CLASSES),
            y=list(certificate.counts),
            marker={"color": colours},
            hovertemplate="%{x}: %{y:,} votes<extra></extra>",
            showlegend=False,
        )
        verdict = "right" if judged.correct else "wrong"
        name = shapes.CLASSES[certificate.predicted or 0]
        text = f"certified: {name}, R = {down(certificate.radius, 3)}<br>{verdict}"
    else:
        text = "Make your prediction,<br>and the votes appear here."
    figure.add_annotation(
        x=0.5, xref="paper", y=0.53, yref="paper", yanchor="top", text=text, showarrow=False
    )
    for axis, name in (("x2", shapes.CLASSES[label]), ("x3", "a noisy copy")):
        figure.add_annotation(
            x=15.5, xref=axis, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False
        )
    hidden = {"visible": False, "fixedrange": True}
    top = 1.45 * max(certificate.counts)
    figure.update_layout(
        xaxis={"title": "class", "range": [-0.6, len(shapes.CLASSES) - 0.4], "tickangle": -60},
        yaxis={"title": "votes", "domain": [0, 0.55], "range": [0, top]},
        xaxis2={"domain": [0, 0.48], "anchor": "y2", **hidden},
        yaxis2={"domain": [0.6, 0.99], "anchor": "x2", "autorange": "reversed", **hidden},
        xaxis3={"domain": [0.52, 1], "anchor": "y3", **hidden},
        yaxis3={"domain": [0.6, 0.99], "anchor": "x3", "autorange": "reversed", **hidden},
    )
    return figure


def hunt(p: float, risk: float, seeds: int, again: int) -> Picture:
    """Show how many certificates are wrong when the best of k seeds is kept, simulated live."""
    seen = seed_hunting.simulate(p, risk, seeds, again)
    exact = seed_hunting.risk(p, risk, seeds, seen.n)
    wrong_now, honest = int(seen.wrong_S[seeds - 1]), int(seen.wrong_S[0])
    k, alpha, one = coloured(PURPLE, "k"), coloured(GREY, r"\alpha"), coloured(BLUE, "q")
    best = coloured(RED, r"\text{best of }") + k
    return Picture(
        figure=_hunt_figure(seen, p, risk, revealed=True),
        teaser=_hunt_figure(seen, p, risk, revealed=False),
        formula=aligned(
            rf"P(\text{{one seed wrong}}) &= {one} \le {alpha}",
            rf"P({best}\ \text{{ wrong}}) &= 1 - (1 - {one})^{{{k}}}",
        ),
        alt=(
            f"Radii kept by {seen.hunters:,} people, and the share of wrong ones against seeds "
            f"tried: {honest} with one seed, {wrong_now} with the best of {seeds}; alpha allows "
            f"{risk * seen.hunters:g}."
        ),
        answer=0 if exact <= risk else 1 if exact <= 10 * risk else 2,
        reveal=(
            f"Alpha allows {risk * seen.hunters:g} of {seen.hunters:,}. With their first seed "
            f"**{honest}** were wrong, with the best of {seeds} **{wrong_now}**; computed exactly, "
            f"{100 * exact:.2g} % are to be expected, where {100 * risk:g} % were promised."
        ),
    )


def _radii(count_H: seed_hunting.Counts, n: int, alpha: float) -> list[float]:
    """Return the radius each count certifies, 0 where it abstains."""
    value = {
        k: radius.radius_l2(SIGMA, bounds.clopper_pearson_lower(k, n, alpha))
        for k in set(count_H.tolist())
    }
    return [value[k] for k in count_H.tolist()]


def _hunt_figure(seen: seed_hunting.Hunt, p: float, alpha: float, revealed: bool) -> go.Figure:
    """Draw the radii kept, honest and hunted, above; the share of wrong ones against k below."""
    figure = empty_figure(560)
    truth = radius.radius_l2(SIGMA, p)
    groups = [(seen.first_H, BLUE, "radius of the first seed")]
    if revealed:
        groups.append((seen.best_H, RED, f"best of {seen.seeds}"))
    # One set of bins for both, an edge of theirs at the true radius.
    low, high = min(_radii(seen.first_H, seen.n, alpha)), max(_radii(seen.best_H, seen.n, alpha))
    size = (high - low) / 40
    start = truth - size * math.ceil((truth - low) / size)
    bins = {"start": start, "end": high + size, "size": size}
    for count_H, colour, name in groups:
        figure.add_histogram(
            x=_radii(count_H, seen.n, alpha),
            xaxis="x2",
            yaxis="y2",
            xbins=bins,
            marker={"color": colour},
            opacity=0.55,
            name=name,
            hovertemplate="%{x}: %{y} people<extra></extra>",
        )
    name = "true: beyond it a radius is wrong"
    line = {"color": GREEN, "width": 3}
    figure.add_scatter(
        x=[truth, truth],
        y=[0, 1],
        xaxis="x2",
        yaxis="y3",
        mode="lines",
        line=line,
        name=name,
        hoverinfo="skip",
    )
    if revealed:
        _add_shares(figure, seen, p, alpha)
    else:
        text = "Make your prediction,<br>and the hunted ones appear here."
        figure.add_annotation(x=0.5, xref="paper", y=0.2, yref="paper", text=text, showarrow=False)
    figure.update_layout(
        barmode="overlay",
        xaxis={
            "type": "log",
            "title": "seeds tried, k",
            "range": [-0.05, 2.05],
            "tickvals": [1, 2, 5, 10, 20, 50, 100],
        },
        yaxis={"title": "wrong (%)", "rangemode": "tozero", "domain": [0, 0.42]},
        xaxis2={"anchor": "y2", "fixedrange": True, "title": f"radius kept, sigma = {SIGMA:g}"},
        yaxis2={"domain": [0.6, 1], "anchor": "x2", "fixedrange": True, "title": "people"},
        yaxis3={"overlaying": "y2", "anchor": "x2", "range": [0, 1], "visible": False},
    )
    return figure


def _add_shares(figure: go.Figure, seen: seed_hunting.Hunt, p: float, alpha: float) -> None:
    """Add the share of wrong certificates against the seeds tried: counted, exact, promised."""
    k_S = np.arange(1, len(seen.wrong_S) + 1)
    exact_S = [100 * seed_hunting.risk(p, alpha, int(k), seen.n) for k in k_S]
    share_S = 100 * seen.wrong_S / seen.hunters
    lines = (
        (share_S, RED, "solid", "counted", 3),
        (exact_S, PURPLE, "dash", "exact", 2),
        (np.full(len(k_S), 100 * alpha), GREY, "dot", "alpha", 2),
    )
    for y_S, colour, dash, name, width in lines:
        line = {"color": colour, "width": width, "dash": dash}
        hover = f"{name}, k = %{{x}}: %{{y:.2f}} %<extra></extra>"
        figure.add_scatter(x=k_S, y=y_S, mode="lines", line=line, name=name, hovertemplate=hover)
    share = float(share_S[seen.seeds - 1])
    figure.add_trace(here(seen.seeds, share, "", f"k = {seen.seeds}: {share:.2f} %"))
