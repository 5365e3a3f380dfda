"""Int8 files of a checkpoint's networks, calibrated on what its own runs ask them, and measured.

A file is another classifier: measurements in float32 say nothing about it.

Shape suffixes: M images, N rows, C channels, H height, W width, K classes.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rsviz.certification.certify import sigma_of
from rsviz.checkpoints import catalog, weights
from rsviz.checkpoints.catalog import Checkpoint, Measured
from rsviz.core.errors import UserError
from rsviz.core.files import sole_writer, write_beside
from rsviz.core.progress import Report
from rsviz.core.spec import RunSpec, Votes
from rsviz.data import datasets
from rsviz.evaluation.evaluate import spec_for
from rsviz.evaluation.logs import head_of
from rsviz.evaluation.measure import measure
from rsviz.methods.base import Certify
from rsviz.methods.registry import METHODS
from rsviz.networks import int8_files
from rsviz.networks.selectors import Selector
from rsviz.smoothing.engine import INT8
from rsviz.smoothing.noise import CHUNK, chunk, chunk_name
from rsviz.smoothing.voters import Ask, MethodRun, check_votes
from rsviz.training import through_int8

IMAGES = 1000


def quantize(
    checkpoint: Checkpoint,
    command: str,
    report: Report = print,
    images: int = IMAGES,
    tune: int = 0,
) -> Checkpoint:
    """Write the int8 files of a checkpoint's own networks, and name them on its card.

    With ``tune`` they are first fine-tuned through their rounding, on so many training images at
    each noise level of their runs (`through_int8`).

    A selector stays float32: it answers with a number, not with the largest of several. In int8,
    that of shapes-variational lost .056 of an ACR of .722; with int8 classifiers alone, .002.

    Raises
    ------
    UserError
        The packages that quantise are not installed, or a network's answers are not numbers.
    """
    versions = int8_files.versions()
    with sole_writer(checkpoint.folder / "int8.onnx"):
        return _quantized(checkpoint, command, report, images, tune, versions)


def _quantized(
    checkpoint: Checkpoint,
    command: str,
    report: Report,
    images: int,
    tune: int,
    versions: Mapping[str, str],
) -> Checkpoint:
    nets = weights.load_nets(checkpoint)
    card = checkpoint.card
    parts = card.parts
    own = {
        name: net
        for name, net in nets.items()
        if not card.members
        and "checkpoint" not in parts.get(name, {})
        and any(isinstance(module, nn.Conv2d) for module in net.modules())
        and not isinstance(net, Selector)
    }
    if not own:
        return checkpoint
    seen = inputs_seen(checkpoint, nets, images)
    taught = inputs_seen(checkpoint, nets, tune) if tune else {}
    made, files = {}, {}
    for name, net in own.items():
        if not seen[name]:
            raise UserError(f"No run of {checkpoint.name} asked its network {name} for anything.")
        if tune:
            report(f"{name} learns to answer, rounded, as in float32")
            generator = torch.Generator().manual_seed(0)
            net = through_int8.tuned(net, taught[name], generator, report)
        out = checkpoint.folder / ("int8.onnx" if name == "classifier" else f"int8-{name}.onnx")
        made[out] = int8_files.quantized(net, seen[name])
        files[name] = {"file": out.name, "sha256": hashlib.sha256(made[out]).hexdigest()}
    recipe = {
        "command": command,
        "images": f"{images} of train, evenly spaced",
        "sigmas": list(_sigmas(checkpoint)),
        "how": "static QDQ, per channel, u8 activations by min-max, s8 weights of 7 bits",
        **({"tuned": f"through its rounding, on {tune} of train, evenly spaced"} if tune else {}),
        **versions,
    }
    _put(checkpoint, made, {"files": files, "recipe": recipe, "measured": []})
    for out in made:
        report(f"wrote {out}")
    return catalog.inspect(checkpoint.folder)


def _put(checkpoint: Checkpoint, made: Mapping[Path, bytes], named: Mapping[str, Any]) -> None:
    """Write files, and their names on the card: killed, the card names no file but whole ones.

    While files change it names none, and votes are counted in float32. Files that are those it
    names already stay, with what was measured of them.
    """
    folder = checkpoint.folder
    with sole_writer(folder / catalog.CARD):
        card = dict(catalog.find_unchanged(checkpoint).stored)
        others = {name: p for name, p in card.get("precisions", {}).items() if name != "int8"}
        held = card.get("precisions", {}).get("int8", {})
        if held.get("files") == named["files"] and all(
            out.is_file() and out.read_bytes() == data for out, data in made.items()
        ):
            kept = {"measured": held.get("measured", [])}
            catalog.write_card(folder, card | {"precisions": others | {"int8": {**named, **kept}}})
            return
        beside = {out: write_beside(out, data) for out, data in made.items()}
        if held:
            catalog.write_card(folder, card | {"precisions": others})
        for out, part in beside.items():
            part.replace(out)
        catalog.write_card(folder, card | {"precisions": others | {"int8": named}})


def measure_beside(checkpoint: Checkpoint, report: Report = print, most: int | None = None) -> None:
    """Measure the int8 files on the images and noise of each float32 log on the card.

    With as many votes, or at ``most`` so many: the float32 log is then thinned to these. Logs of
    more votes than others on the card are left out, which tell enough.
    """
    rows = _rows(checkpoint)
    fewest = min((row.n for row in rows), default=0)
    for row in (row for row in rows if row.n == fewest):
        n = min(row.n, most or row.n)
        head = head_of(checkpoint.folder / row.log)
        every, split = head.every, head.split
        log = "certified-int8.csv" if "/" in row.log else f"{Path(row.log).stem}-int8.csv"
        spec = spec_for(
            checkpoint,
            row.sigma,
            split=split,
            every=every,
            n0=row.n0,
            n=n,
            alpha=row.alpha,
            seed=head.seed,
            engine=str(INT8),
            settings=head.settings,
        )
        level = "" if row.sigma is None else f" --sigma {row.sigma}"
        changed = sorted(set(spec.settings) - set(checkpoint.card.run.items()))
        level += "".join(f" --set {name}={value}" for name, value in changed)
        command = (
            f"python -m rsviz evaluate --checkpoint {checkpoint.name}{level} --split {split} "
            f"--every {every} --n0 {row.n0} --n {n} --alpha {row.alpha} "
            f"--precision int8 --out checkpoints/{checkpoint.name}/{log}"
        )
        curve = measure(checkpoint, spec, checkpoint.folder / log, "cpu", command, report)
        found = catalog.inspect(checkpoint.folder).card.precisions["int8"].measured
        gap = next(m.difference for m in found if m.log == log)
        assert gap is not None
        report(
            f"{checkpoint.name}: ACR {curve.acr:.4f} in int8, {gap.mean:+.4f} beside float32 "
            f"({gap.low:+.4f} to {gap.high:+.4f})"
        )


def _rows(checkpoint: Checkpoint) -> list[Measured]:
    """Return the float32 measurements at the noise it was trained for, all of a universal one."""
    sigma = checkpoint.card.sigma
    return [m for m in checkpoint.card.measured if sigma in (None, m.sigma)]


def _sigmas(checkpoint: Checkpoint) -> tuple[float | None, ...]:
    """Return the noise levels its runs are calibrated at; None where the method chooses them."""
    if METHODS[checkpoint.card.method].chooses_sigma:
        return (None,)
    levels = dict.fromkeys(row.sigma for row in _rows(checkpoint) if row.sigma is not None)
    return tuple(levels) or (sigma_of(checkpoint),)


def inputs_seen(
    checkpoint: Checkpoint, nets: Mapping[str, nn.Module], images: int
) -> dict[str, list[tuple[Tensor, ...]]]:
    """Return what each network is asked by runs on noisy training images, batch by batch.

    One vote of each image decides how its run goes on, as if all votes were like it: so every
    stage, and the levels that are chosen, are seen as they are met.
    """
    seen: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in nets}
    hooks = [
        net.register_forward_pre_hook(partial(_remember, seen[name])) for name, net in nets.items()
    ]
    x_MCHW = _training_images(checkpoint.card.dataset, images)
    sigmas = _sigmas(checkpoint)
    with torch.inference_mode():
        for start in range(0, images, CHUNK):
            x_NCHW = x_MCHW[start : start + CHUNK]
            for sigma in sigmas:
                spec = RunSpec(
                    image="",
                    checkpoint=checkpoint.name,
                    sigma=sigma,
                    method=checkpoint.card.method,
                    settings=tuple(sorted(dict(checkpoint.card.run).items())),
                )
                # The name of the noise that the shipped files were calibrated on.
                name = f"{start}|{1.0 if sigma is None else sigma}"
                _run(METHODS[spec.method].certify, x_NCHW, nets, spec, name)
    for hook in hooks:
        hook.remove()
    return seen


def _training_images(dataset: str, images: int) -> Tensor:
    """Return x_MCHW, evenly spaced; of a data set that rsviz draws, these are drawn alone."""
    size = datasets.size_of(dataset, "train")
    index_M = np.linspace(0, size, images, endpoint=False).astype(int)
    return torch.stack([datasets.find_image(f"{dataset}/train/{i}")[0] for i in index_M])


def _remember(seen: list[tuple[Tensor, ...]], _net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    seen.append(tuple(x.clone() for x in inputs))


def _run(
    certify: Certify, x_NCHW: Tensor, nets: Mapping[str, nn.Module], spec: RunSpec, name: str
) -> None:
    """Let a run of each image ask its networks once a stage, those of one noise level together."""
    runs: list[MethodRun] = [certify(x_CHW, nets, spec) for x_CHW in x_NCHW]
    asks: dict[int, Ask] = {i: next(run) for i, run in enumerate(runs)}
    for stage in range(20):
        answers: dict[int, int] = {}
        for number, (ask, rows) in enumerate(_together(asks)):
            C, H, W = x_NCHW.shape[1:]
            noise = [
                chunk((C, H, W), chunk_name(0, name, f"calibrate-{stage}-{number}", q, 0))
                for q in range(ask.queries)
            ]
            sigma_N111 = torch.full((len(rows), 1, 1, 1), ask.sigma)
            drawn = (e[: len(rows)] for e in noise)
            class_N = check_votes(ask.voter(x_NCHW[rows], sigma_N111, *drawn))
            answers |= dict(zip(rows, class_N.tolist(), strict=True))
        for i, answer in answers.items():
            ask = asks.pop(i)
            counts_K = tuple(ask.n * (k == answer) for k in range(ask.classes))
            try:
                asks[i] = runs[i].send(Votes(ask.stage, counts_K, ask.n, "complete"))
            except StopIteration:
                continue
        if not asks:
            return


def _together(asks: Mapping[int, Ask]) -> Iterator[tuple[Ask, list[int]]]:
    """Yield the asks that one forward pass can answer, with the rows of their images."""
    groups: list[tuple[Ask, list[int]]] = []
    for i, ask in asks.items():
        for other, rows in groups:
            if (other.voter, other.sigma, other.queries) == (ask.voter, ask.sigma, ask.queries):
                rows.append(i)
                break
        else:
            groups.append((ask, [i]))
    yield from groups
