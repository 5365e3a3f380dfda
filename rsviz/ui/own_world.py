"""Draw your own world: classes painted and a point dragged in the browser, certified when it rests.

While one paints or drags, the browser sums the same shares as `own_world.probabilities`, to the
precision of a picture; every number in words is the library's.
"""

import msgspec
import streamlit as st

from rsviz.core.radius import down
from rsviz.figures.style import BLUE, GREEN, GREY, ORANGE
from rsviz.teaching.experiments import own_world, two_pixels
from rsviz.teaching.experiments.own_world import World
from rsviz.ui.common.sentences import fragment

START = "A spike"

_HTML = """
<div class="brush" role="group" aria-label="What the pointer paints"></div>
<canvas width="640" height="640" tabindex="0" role="application" aria-label="Your world. Paint by
 dragging; drag the point, or move it by arrow keys; space paints the cell under it."></canvas>
<label>Noise, sigma <input type="range" step="0.01"><output></output></label>
<div class="starts" role="group" aria-label="Begin again with"></div>
"""
_CSS = """
canvas {width: 100%; max-width: 32rem; aspect-ratio: 1; display: block; touch-action: none;
  border-radius: .25rem; cursor: crosshair}
canvas:focus-visible {outline: 2px solid var(--st-primary-color)}
.brush, .starts, label {display: flex; gap: .5rem; align-items: center; flex-wrap: wrap;
  margin: .5rem 0; font-size: .875rem}
input {flex: 1; max-width: 16rem; accent-color: var(--st-primary-color)}
button {font: inherit; padding: .25rem .75rem; border-radius: .5rem; cursor: pointer;
  color: var(--st-text-color); background: transparent; border: 1px solid var(--st-border-color)}
button[aria-pressed=true] {border: 2px solid var(--st-text-color); font-weight: 600}
.swatch {display: inline-block; width: .75em; height: .75em; margin-right: .4em;
  border-radius: 2px}
"""
_JS = """
const ndtr = (x) => {  // Numerical Recipes' erfc, to 1.2e-7 of its value
  const z = Math.abs(x) / Math.SQRT2, t = 1 / (1 + z / 2);
  const c = [-1.26551223, 1.00002368, .37409196, .09678418, -.18628806, .27886807, -1.13520398,
    1.48851587, -.82215223, .17087277];
  const tail = t * Math.exp(-z * z + c.reduceRight((sum, a) => a + t * sum, 0)) / 2;
  return x > 0 ? 1 - tail : tail;
};
const ndtri = (p) => {  // by bisection: p below one half
  let [low, high] = [-8, 0];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (ndtr(middle) < p) low = middle; else high = middle;
  }
  return low;
};
export default function ({data, parentElement, setStateValue}) {
  const find = (name) => parentElement.querySelector(name);
  const canvas = find("canvas"), slider = find("input"), told = find("output");
  if (canvas.dataset.drawn) return;
  canvas.dataset.drawn = "yes";
  const {side, colours, names, starts, noise} = data;
  let {cells, x, y, sigma} = data.world;
  cells = [...cells].map(Number);
  let brush = 1;
  [slider.min, slider.max] = data.sigmas;
  slider.value = sigma;

  const weights = (at) => {  // of each row or column, as in own_world._weights
    const edge = (i) => i === 0 ? 0 : i === side ? 1 : ndtr((i / side - at) / sigma);
    return Array.from({length: side}, (_, i) => edge(i + 1) - edge(i));
  };
  const share = (row, column) => {  // of the copies that land on class 1
    let sum = 0;
    for (let j = 0; j < side; j++) {
      let line = 0;
      for (let i = 0; i < side; i++) line += cells[j * side + i] * column[i];
      sum += row[j] * line;
    }
    return sum;
  };
  const field = () => {  // the share of class 1 at the nodes of a grid, a row after the other
    const nodes = 65, rows = [];
    const of = Array.from({length: nodes}, (_, i) => weights(i / (nodes - 1)));
    const lines = of.map((column) => Array.from({length: side}, (_, j) => {
      let line = 0;
      for (let i = 0; i < side; i++) line += cells[j * side + i] * column[i];
      return line;
    }));
    for (const row of of) rows.push(lines.map((line) => {
      let sum = 0;
      for (let j = 0; j < side; j++) sum += row[j] * line[j];
      return sum;
    }));
    return rows;
  };

  const draw = () => {
    const context = canvas.getContext("2d"), size = canvas.width, cell = size / side;
    const style = getComputedStyle(canvas);
    const ink = style.getPropertyValue("--st-text-color") || "black";
    context.clearRect(0, 0, size, size);
    context.globalAlpha = .35;
    cells.forEach((c, k) => {
      context.fillStyle = colours[c];
      context.fillRect((k % side) * cell, size - (Math.floor(k / side) + 1) * cell,
        cell, cell);
    });
    context.globalAlpha = 1;
    const rows = field(), nodes = rows.length, step = size / (nodes - 1);
    context.strokeStyle = colours[2];
    context.lineWidth = 6;
    context.beginPath();  // where the share is one half: marching squares
    for (let j = 0; j + 1 < nodes; j++) for (let i = 0; i + 1 < nodes; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const ends = [];
      corners.forEach(([a, b], k) => {
        const [c, d] = corners[(k + 1) % 4];
        const from = rows[b][a] - .5, to = rows[d][c] - .5;
        if (from < 0 !== to < 0) {
          const f = from / (from - to);
          ends.push([(a + f * (c - a)) * step, size - (b + f * (d - b)) * step]);
        }
      });
      for (let k = 0; k + 1 < ends.length; k += 2) {
        context.moveTo(...ends[k]);
        context.lineTo(...ends[k + 1]);
      }
    }
    context.stroke();
    noise.forEach(([u, v]) => {
      const [a, b] = [x + sigma * u, y + sigma * v];
      const at = (f) => Math.min(Math.max(Math.floor(f * side), 0), side - 1);
      context.fillStyle = colours[cells[at(b) * side + at(a)]];
      context.beginPath();
      context.arc(a * size, (1 - b) * size, 4, 0, 7);
      context.fill();
    });
    const one = share(weights(y), weights(x)), p = Math.max(one, 1 - one);
    const radius = -sigma * ndtri(Math.max(1 - p, 1e-12));
    context.strokeStyle = colours[3];
    context.fillStyle = colours[3];
    context.lineWidth = 5;
    context.beginPath();
    context.arc(x * size, (1 - y) * size, radius * size, 0, 7);
    context.globalAlpha = .2;
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
    context.fillStyle = ink;
    context.beginPath();
    context.arc(x * size, (1 - y) * size, 11, 0, 7);
    context.fill();
    told.textContent = sigma.toFixed(2);
    canvas.dataset.share = one;
  };
  let waiting = null;
  const changed = (later) => {
    draw();
    clearTimeout(waiting);
    waiting = setTimeout(() => setStateValue("world", {cells: cells.join(""), x, y, sigma}), later);
  };

  names.forEach((name, c) => {
    const button = document.createElement("button");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colours[c];
    button.append(swatch, `Paint ${name}`);
    button.setAttribute("aria-pressed", c === brush);
    button.onclick = () => {
      brush = c;
      [...find(".brush").children].forEach((b, k) => b.setAttribute("aria-pressed", k === c));
    };
    find(".brush").append(button);
  });
  Object.entries(starts).forEach(([name, world]) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.onclick = () => { cells = [...world].map(Number); changed(0); };
    find(".starts").append(button);
  });
  slider.oninput = () => { sigma = Number(slider.value); changed(300); };

  let mode = null;
  const where = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]
      .map((f) => Math.min(Math.max(f, 0), 1));
  };
  const paint = (a, b) => {  // a disc of three cells across
    for (let j = 0; j < side; j++) for (let i = 0; i < side; i++) {
      if (Math.hypot((i + .5) / side - a, (j + .5) / side - b) < 1.5 / side)
        cells[j * side + i] = brush;
    }
  };
  const go = (event) => {
    const [a, b] = where(event);
    if (mode === "point") [x, y] = [a, b]; else paint(a, b);
    changed(300);
  };
  canvas.onpointerdown = (event) => {
    const [a, b] = where(event);
    mode = Math.hypot(a - x, b - y) < .05 ? "point" : "paint";
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    event.preventDefault();
    go(event);
  };
  canvas.onpointermove = (event) => { if (mode) go(event); };
  canvas.onpointerup = canvas.onpointercancel = () => { mode = null; };
  canvas.onkeydown = (event) => {
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
    if (event.key in moves) {
      const step = event.shiftKey ? .1 : .02;
      x = Math.min(Math.max(x + step * moves[event.key][0], 0), 1);
      y = Math.min(Math.max(y + step * moves[event.key][1], 0), 1);
    } else if (event.key === " ") {
      paint(x, y);
    } else {
      return;
    }
    event.preventDefault();
    changed(400);
  };
  draw();
}
"""
_WORLD = st.components.v2.component("own_world", html=_HTML, css=_CSS, js=_JS)
NAMES = ("blue", "orange")


@fragment
def show() -> None:
    """Show the world to draw, and what votes prove of its point."""
    st.subheader("Draw your own world")
    st.markdown(
        "Paint where the classifier says blue and where orange, and **drag the point**. The grey "
        "line is the boundary of the smoothed classifier; the green disc is what infinitely many "
        "votes would certify, and the line never enters it. Try to paint a world where it does."
    )
    start = World(own_world.starts()[START], 0.25, 0.5, 0.08)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        found = _WORLD(
            key="own_world",
            data={
                "side": own_world.SIDE,
                "world": msgspec.structs.asdict(start),
                "starts": own_world.starts(),
                "sigmas": own_world.SIGMAS,
                "colours": (BLUE, ORANGE, GREY, GREEN),
                "names": NAMES,
                "noise": two_pixels.noise(own_world.N, 0, "bound")[:200].tolist(),
            },
            on_world_change=lambda: None,
        )
    with right:
        st.markdown(words(own_world.checked(found.get("world")) or start))


def words(world: World) -> str:
    """Say what votes prove of the point of a world, and what is true of it."""
    seen = own_world.look(world)
    name = NAMES[seen.predicted]
    votes = (
        f"**{seen.count:,} of {own_world.N:,}** noisy copies of your point say {name}; "
        f"without sampling, {100 * seen.p_a:.3f} % of all copies do."
    )
    if not seen.radius:
        return (
            f"{votes}\n\nThat is no majority beyond doubt, so the certificate **abstains**: too "
            "near the smoothed boundary for so many votes."
        )
    exact = (
        f"Infinitely many votes would certify {down(seen.radius_exact, 3)}."
        if seen.radius_exact < float("inf")
        else "This world has one class alone, so infinitely many votes would certify any radius."
    )
    lower = down(seen.p_a_lower, 4)
    return (
        f"{votes}\n\nFrom the votes: p_A is at least {lower} (alpha {own_world.ALPHA:g}), so "
        rf"$R = {world.sigma:g}\,\Phi^{{-1}}({lower})$ = **{down(seen.radius, 3)}**."
        f"\n\n{exact}"
    )
