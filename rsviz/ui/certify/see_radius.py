"""See the radius: the picture moved along two directions, and the votes it keeps on the way.

Shape suffixes: C channels, H height, W width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from torch import Tensor, nn

from rsviz.certification import walks
from rsviz.core.radius import down
from rsviz.core.spec import Bound, Certificate, RunSpec
from rsviz.evaluation.examples import Walk
from rsviz.figures import walk
from rsviz.figures.walk import Stop
from rsviz.ui.common import state
from rsviz.ui.common.picture_strip import show_strip
from rsviz.ui.common.sentences import fragment

TITLES = {"attack": "Towards what an attack found", "random": "In a random direction"}


@dataclass(frozen=True, eq=False)
class Ground:
    """Where the walks begin: the picture, the networks and their run, its certificate.

    ``stored`` are walks kept with it, whose votes were counted before.
    """

    x_CHW: Tensor
    nets: Mapping[str, nn.Module]
    spec: RunSpec
    certificate: Certificate
    image: str  # its hash
    stored: Mapping[str, Walk]

    @property
    def key(self) -> tuple[str, RunSpec, float]:
        """What decides the walks."""
        return self.image, replace(self.spec, bound=Bound.SPLIT), self.certificate.radius


@st.cache_data(max_entries=32, show_spinner="Attacking, to find a direction")
def _direction(name: str, key: tuple[str, RunSpec, float], _ground: Ground) -> Tensor:
    return walks.direction(name, _ground.x_CHW, _ground.nets, _ground.spec, _ground.certificate)


@st.cache_data(max_entries=512, show_spinner=False)
def _counted(name: str, far: float, key: tuple[str, RunSpec, float], _ground: Ground) -> Stop:
    c = _ground.certificate
    moved_CHW = _ground.x_CHW + far * c.radius * _direction(name, key, _ground)
    share = walks.share_at(moved_CHW, _ground.nets, _ground.spec, c)
    return Stop(moved_CHW.numpy(), far, share)


def _stop(name: str, far: float, ground: Ground) -> Stop:
    """Return a stored stop, else one that is counted now."""
    stored = ground.stored.get(name)
    fits = stored is not None and stored.direction.size == ground.x_CHW.numel()
    if stored is None or not fits or far not in stored.shares:
        return _counted(name, far, ground.key, ground)
    along = stored.direction.reshape(tuple(ground.x_CHW.shape))
    moved = ground.x_CHW.numpy() + np.float32(far * ground.certificate.radius) * along
    return Stop(moved, far, stored.shares[far])


def _walk(name: str, ground: Ground) -> list[Stop]:
    steps = [i / 2 for i in range(int(2 * walks.FARTHEST) + 1)]
    return [_stop(name, far, ground) for far in steps]


@fragment
def show(ground: Ground) -> None:
    """Show a slider from 0 to three radii, the picture moved that far, and the votes it keeps."""
    c = ground.certificate
    if (
        c.abstained
        or c.predicted is None
        or not c.radius
        or c.checkpoint in state.OWN_CLASSES.get()
    ):
        return
    opened = st.expander(
        "See the radius", icon=":material/open_in_full:", key="see_radius", on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        far = st.slider(
            f"How far, in certified radii of {down(c.radius, 3)}",
            0.0,
            walks.FARTHEST,
            0.75,
            walks.STEP,
            key="far",
        )
        stops = {name: _stop(name, far, ground) for name in walks.DIRECTIONS}
        show_strip(
            [(walk.frame(stop), f"{TITLES[name]}: {stop.words}") for name, stop in stops.items()]
        )
        st.caption(
            f"{walks.VOTES} fresh votes each. Green: inside the certified radius no direction "
            "changes the answer. Red: beyond it nothing is proved, and an attack often changes "
            "it, a random direction seldom."
        )
        if st.button("Make a strip and a film", key="make_strip", icon=":material/movie:"):
            rows = [_walk(name, ground) for name in walks.DIRECTIONS]
            strip = walk.strip(rows)
            with st.container(horizontal=True, gap="small"):
                for label, data, file, mime in (
                    ("Strip (PNG)", strip, "rsviz-radius.png", "image/png"),
                    ("Film (GIF)", walk.film(rows), "rsviz-radius.gif", "image/gif"),
                ):
                    st.download_button(
                        label, data, file, mime, on_click="ignore", icon=":material/download:"
                    )
            st.image(strip, alt="The picture moved along both directions, with votes")
