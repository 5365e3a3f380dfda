"""Networks shared by all sessions, and each session's own jobs."""

import gc

import streamlit as st
import torch
from torch import nn

from rsviz import checkpoints
from rsviz.jobs import Session


@st.cache_resource(max_entries=8, show_spinner="Loading the network")
def _network(name: str, sha256: str, device: str) -> nn.Module:
    net = checkpoints.load(checkpoints.find(name), device)
    gc.freeze()  # Streamlit collects garbage after every run; what stays need not be searched
    return net


def network(checkpoint: checkpoints.Checkpoint, device: str) -> nn.Module:
    """Return a checkpoint's network, loaded once for all sessions and never changed."""
    return _network(checkpoint.name, checkpoint.sha256, device)


@st.cache_resource(scope="session", on_release=lambda session: session.stop(), show_spinner=False)
def session() -> Session:
    """Return this browser tab's jobs; closing the tab stops them."""
    return Session()


def devices() -> list[str]:
    """Return the devices votes can be counted on here."""
    return (["cuda"] if torch.cuda.is_available() else []) + ["cpu"]
