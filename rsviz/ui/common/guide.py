"""The acting part of the tour: it outlines a control of the page, presses it, and ticks the step.

All of that happens in the browser, on the controls themselves; what is ticked is kept for the tab.
"""

import streamlit as st

from rsviz.figures.style import BLUE
from rsviz.teaching.tour import Stop

_HTML = '<div class="row"><button type="button"></button><ol aria-label="Steps done"></ol></div>'
_CSS = """
.row {display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  font-family: var(--st-font)}
button {font: inherit; padding: .35rem .8rem; border-radius: .5rem; cursor: pointer; color: white;
  background: BLUE; border: 1px solid BLUE}
button.done {background: none; color: inherit; border-color: currentColor}
button:focus-visible {outline: 2px solid currentColor; outline-offset: 2px}
ol {display: flex; gap: .25rem; margin: 0; padding: 0; list-style: none; font-size: .875rem}
li {width: 1.5rem; height: 1.5rem; border-radius: 50%; border: 1px solid currentColor;
  display: grid; place-items: center}
li.now {outline: 2px solid currentColor}
li.done {background: BLUE; color: white; border-color: BLUE}
""".replace("BLUE", BLUE)
_JS = """
export default function ({data, parentElement}) {
  const key = "rsviz-tour", shown = "rsviz-shown";
  const [button, list] = ["button", "ol"].map((name) => parentElement.querySelector(name));
  const main = document.querySelector("[data-testid=stMain]");
  const held = () => new Set(JSON.parse(sessionStorage.getItem(key) || "[]"));
  const render = () => {
    const done = held();
    list.replaceChildren(...Array.from({length: data.count}, (_, i) => {
      const item = document.createElement("li");
      item.textContent = done.has(i + 1) ? "✓" : i + 1;
      item.className = `${done.has(i + 1) ? "done" : ""} ${i + 1 === data.step ? "now" : ""}`;
      return item;
    }));
    const ended = done.has(data.step);
    button.textContent = ended ? `✓ ${data.act}` : data.act;
    button.classList.toggle("done", ended);
  };
  const find = () => [...document.querySelectorAll(data.control)].find(
    (e) => !data.text || e.innerText.trim().startsWith(data.text));
  let [begun, scrolled, wanted] = [null, false, false];
  const listen = (event) => {
    if (find()?.contains(event.target)) begun ??= Date.now();
  };
  const look = () => {
    const control = find();
    document.querySelectorAll(`.${shown}`).forEach(
      (e) => e !== control && e.classList.remove(shown));
    if (control && !control.classList.contains(shown)) {
      control.classList.add(shown);
      if (!scrolled) control.scrollIntoView({block: "center", behavior: "smooth"});
      scrolled = true;
    }
    if (control && wanted) press(control);
    if (begun && Date.now() - begun > 800 && new RegExp(data.done).test(main.innerText)) {
      begun = null;
      sessionStorage.setItem(key, JSON.stringify([...held(), data.step]));
      render();
    }
  };
  const press = (control) => {
    wanted = false;
    control.scrollIntoView({block: "center", behavior: "smooth"});
    begun = Date.now();
    control.click();
  };
  button.onclick = () => { wanted = true; look(); };  // what is not drawn yet is pressed once it is
  document.addEventListener("click", listen, true);
  const timer = setInterval(look, 400);
  if (data.step === 1 && held().size >= data.count) sessionStorage.removeItem(key);
  render();
  return () => {
    clearInterval(timer);
    document.removeEventListener("click", listen, true);
    document.querySelectorAll(`.${shown}`).forEach((e) => e.classList.remove(shown));
  };
}
"""
_GUIDE = st.components.v2.component("tour_guide", html=_HTML, css=_CSS, js=_JS)


def show(stop: Stop, step: int, count: int) -> None:
    """Show the button that does what a step asks for, and which steps are done."""
    _GUIDE(
        key=f"guide-{step}",
        data={
            "step": step,
            "count": count,
            "act": stop.act,
            "control": stop.control,
            "text": stop.text,
            "done": stop.done,
        },
    )
