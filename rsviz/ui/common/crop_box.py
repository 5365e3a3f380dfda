"""A square to drag over a picture: what is inside it is what the network sees.

It moves in the browser alone, by mouse, finger or keyboard, and is sent when it comes to rest.
"""

import base64
import io
import math

import streamlit as st
from PIL import Image

from rsviz.data import images

_HTML = """
<div class="frame"><img alt=""><div class="square" tabindex="0" role="group"
  aria-label="The part that the network sees. Arrow keys move it, plus and minus size it.">
  <div class="handle"></div></div></div>
<div class="seen"><canvas role="img" aria-label="What the network sees"></canvas>
<span>As the network sees it. Drag the square, or its corner; arrow keys, plus and minus do
the same.</span></div>
"""
_CSS = """
.frame {position: relative; overflow: hidden; border-radius: .25rem; line-height: 0;
  max-width: 18rem}
img {width: 100%; user-select: none; -webkit-user-drag: none; pointer-events: none}
.square {position: absolute; box-sizing: border-box; border: 2px solid white; cursor: move;
  outline: 2px solid black; touch-action: none;
  box-shadow: 0 0 0 999px color-mix(in srgb, black 50%, transparent)}
.square:focus-visible {border-color: var(--st-primary-color)}
.handle {position: absolute; right: -2px; bottom: -2px; width: 22px; height: 22px;
  background: white; border: 2px solid black; cursor: nwse-resize; touch-action: none}
.seen {display: flex; gap: .75rem; align-items: center; margin-top: .5rem; font-size: .875rem}
canvas {width: 64px; height: 64px; flex: none; image-rendering: pixelated; border-radius: .25rem}
"""
_JS = """
export default function ({data, parentElement, setStateValue}) {
  const find = (name) => parentElement.querySelector(name);
  const [frame, image, square, handle] = [".frame", "img", ".square", ".handle"].map(find);
  const canvas = find("canvas");
  if (frame.dataset.of === data.of) return;
  frame.dataset.of = data.of;
  canvas.width = canvas.height = data.side;
  let [x, y, side] = [0, 0, 1];  // of the square, in pixels of the picture
  const least = () => Math.max(8, Math.min(image.naturalWidth, image.naturalHeight) / 8);

  const draw = () => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    side = Math.min(Math.max(side, least()), width, height);
    x = Math.min(Math.max(x, 0), width - side);
    y = Math.min(Math.max(y, 0), height - side);
    Object.assign(square.style, {
      left: `${100 * x / width}%`, top: `${100 * y / height}%`,
      width: `${100 * side / width}%`, height: `${100 * side / height}%`,
    });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, x, y, side, side, 0, 0, data.side, data.side);
  };
  let waiting = null;
  const send = (later) => {
    clearTimeout(waiting);
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const box = [x / width, y / height, (x + side) / width, (y + side) / height];
    waiting = setTimeout(() => setStateValue("box", box), later);
  };
  image.onload = () => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    side = Math.min(width, height);
    [x, y] = [(width - side) / 2, (height - side) / 2];
    if (data.box) {
      const [left, top, right] = data.box;
      [x, y, side] = [left * width, top * height, (right - left) * width];
    }
    draw();
  };
  image.src = data.image;

  let from = null;
  square.onpointerdown = (event) => {
    from = {event, x, y, side, sizes: event.target === handle};
    square.setPointerCapture(event.pointerId);
    square.focus();
    event.preventDefault();
  };
  square.onpointermove = (event) => {
    if (!from) return;
    const scale = image.naturalWidth / image.clientWidth;
    const [right, down] = [event.clientX - from.event.clientX, event.clientY - from.event.clientY];
    if (from.sizes) {
      const room = Math.min(image.naturalWidth - x, image.naturalHeight - y);
      side = Math.min(from.side + scale * Math.max(right, down), room);
    } else {
      [x, y] = [from.x + scale * right, from.y + scale * down];
    }
    draw();
  };
  square.onpointerup = square.onpointercancel = () => {
    if (from) send(0);
    from = null;
  };
  square.onkeydown = (event) => {
    const step = (event.shiftKey ? 0.1 : 0.02) * image.naturalWidth;
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const sizes = {"+": 1, "=": 1, "-": -1};
    if (event.key in moves) {
      x += step * moves[event.key][0];
      y += step * moves[event.key][1];
    } else if (event.key in sizes) {
      side += step * sizes[event.key];
    } else {
      return;
    }
    event.preventDefault();
    draw();
    send(400);
  };
}
"""
_CROP = st.components.v2.component("crop_box", html=_HTML, css=_CSS, js=_JS)


def ask(picture: Image.Image, of: str, held: images.Box | None, size: int) -> images.Box | None:
    """Show a picture with its square; return the square, None while nobody has moved it.

    Parameters
    ----------
    of : what tells one picture from another.
    held : where the square begins; None: in the middle, as large as it can be.
    size : pixels a side of what the network sees.
    """
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    found = _CROP(
        key=f"square_{of}",
        data={"image": url, "of": of, "box": held, "side": size},
        default={"box": held},
        on_box_change=lambda: None,
    )
    return checked(found.get("box"))


def checked(box: object) -> images.Box | None:
    """Return a square that a browser sent, None if it is none."""
    if not isinstance(box, list | tuple) or len(box) != 4:
        return None
    if not all(isinstance(f, int | float) and math.isfinite(f) for f in box):
        return None
    left, top, right, bottom = (round(min(max(float(f), 0.0), 1.0), 4) for f in box)
    return (left, top, right, bottom) if left < right and top < bottom else None
