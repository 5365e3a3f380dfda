"""What each command of ``python -m rsviz`` does; heavy imports wait until a command needs them."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from rsviz.errors import UserError


def checkpoints(args: argparse.Namespace) -> None:
    """Run ``checkpoints``."""
    from rsviz.checkpoints import list_checkpoints

    rows = [
        {
            "name": c.name,
            "dataset": c.card.get("dataset"),
            "method": c.card.get("method"),
            "network": c.card.get("network"),
            "sigma": c.card.get("sigma"),
            "sha256": c.sha256,
            "verified": c.verified,
            "problem": c.problem,
            "measured": c.card.get("measured", []),
        }
        for c in list_checkpoints()
    ]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    if args.markdown:
        print(markdown_table(rows))
        return
    for row in rows:
        print(row["name"] + ("" if row["verified"] else f"  CANNOT BE USED: {row['problem']}"))
        for m in row["measured"]:
            accuracy = "  ".join(f"{r}: {100 * a:.1f}%" for r, a in m["accuracy"].items())
            print(
                f"  sigma {m['sigma']}  n {m['n']:,}  {m['subset']}  ACR {m['acr']:.3f}  {accuracy}"
            )


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """Return the README's table of checkpoints: one line a measurement, in percent."""
    radii = ("0", "0.25", "0.5", "0.75", "1", "1.5")
    head = ["checkpoint", "sigma", "images", "n", "ACR", *(f"r = {r}" for r in radii)]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        for m in sorted(row["measured"], key=lambda m: (m["n"], m["sigma"] or 0)):
            if m["norm"] != "L2":
                continue
            sigma = "chosen" if m["sigma"] is None else f"{m['sigma']:g}"
            cells = [f"`{row['name']}`", sigma, f"{m['images']}", f"{m['n']:,}"]
            cells += [f"{m['acr']:.3f}", *(f"{100 * m['accuracy'][r]:.1f}" for r in radii)]
            lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def examples(args: argparse.Namespace) -> None:
    """Run ``examples``."""
    from rsviz import checkpoints, run
    from rsviz import examples as stored

    stored.make(checkpoints.find(args.checkpoint), run.certify, _say)


def _load_image(name: str, size: int, crop: Any) -> tuple[Any, str]:
    """Return (x_CHW, name) of a data set's image or of a file."""
    from rsviz import datasets, images

    if name.split("/")[0] in datasets.CLASSES and not Path(name).exists():
        return datasets.find_image(name)[0], name
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}.") from None
    return images.to_tensor(images.open_image(data, name), size, crop), ""


def certify(args: argparse.Namespace) -> None:
    """Run ``certify``."""
    from rsviz import checkpoints, run
    from rsviz.datasets import CLASSES
    from rsviz.networks import INPUT_SIZE

    device = _device(args.device)
    checkpoint = checkpoints.find(args.checkpoint)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    dataset = checkpoint.card["dataset"]
    x_CHW, name = _load_image(args.image, INPUT_SIZE[dataset], args.crop)
    certificate = run.certify(
        x_CHW,
        checkpoint,
        device,
        sigma=args.sigma,
        image=name,
        n0=args.n0,
        n=args.n,
        alpha=args.alpha,
        seed=args.seed,
        bound=args.bound,
        settings=_run_settings(checkpoint, args.set),
    )
    if args.json:
        print(certificate.to_json())
        return
    classes = CLASSES.get(dataset, ())
    c = certificate
    if c.predicted is None:
        print(f"Abstains: {c.detail.get('why', 'no class was chosen.')}")
        return
    label = classes[c.predicted] if classes else str(c.predicted)
    if c.abstained:
        print(
            f"Abstains: {label} had most of the first {c.n0} votes, but its probability is not "
            f"shown to exceed 1/2 (lower bound {c.p_a_lower:.4f})."
        )
    else:
        print(
            f"{label}, certified within {c.norm} radius {_radius_in_words(c)} "
            f"(p_A > {c.p_a_lower:.4f}, sigma {c.sigma}, n {c.n:,}, alpha {c.alpha})."
        )
    if "why" in c.detail:
        print(c.detail["why"])
    print(c.guarantee)
    print(f"{c.seconds:.1f} s on {c.path}" + (f"; flags: {', '.join(c.flags)}" if c.flags else ""))


def _radius_in_words(c: Any) -> str:
    return f"{c.radius:.4f}" if c.norm == "L2" else f"{255 * c.radius:.3f}/255"


def _run_settings(checkpoint: Any, words: list[str]) -> tuple[tuple[str, float | str], ...]:
    """Return the settings of a run: those of the card, changed as the command line says."""
    from rsviz.errors import UserError
    from rsviz.methods import METHODS
    from rsviz.settings import fill, parse

    method, given = METHODS[checkpoint.card["method"]], parse(words)
    if method.options is None and given:
        raise UserError(f"There is no setting {given[0][0]!r}: {method.title} has none.")
    if method.options is not None:
        fill(method.options, given)
    return tuple(sorted((dict(checkpoint.card.get("run", {})) | dict(given)).items()))


def evaluate(args: argparse.Namespace) -> None:
    """Run ``evaluate``."""
    from rsviz import checkpoints
    from rsviz.evaluation import spec_for
    from rsviz.workshop import measure

    checkpoint = checkpoints.find(args.checkpoint)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    settings = _run_settings(checkpoint, args.set)
    spec = spec_for(checkpoint, args.sigma, settings=settings, **_which_images(args))
    curve = measure(checkpoint, spec, args.out, _device(args.device), _command(), _say)
    _print_curve(curve)


def _which_images(args: argparse.Namespace) -> dict[str, Any]:
    names = ("split", "every", "first", "n0", "n", "alpha", "seed")
    return {name: getattr(args, name) for name in names}


def curves(args: argparse.Namespace) -> None:
    """Run ``curves``."""
    import numpy as np

    from rsviz import curves

    try:
        radii = [float(r) for r in args.radii.split(",")]
    except ValueError:
        raise UserError(f"--radii must be numbers with commas, not {args.radii!r}.") from None
    out = []
    for file in args.files:
        log = curves.read_log(file)
        if args.n:
            log = curves.thin(log, args.n, np.random.default_rng(args.seed))
        out.append(curves.curve(log, radii))
    if args.json:
        print(json.dumps([curves.to_dict(c) for c in out], indent=1))
        return
    for curve in out:
        _print_curve(curve)


def _print_curve(curve: Any) -> None:
    digits = 3 if curve.norm == "L2" else 5
    print(f"{curve.name}: {curve.images} images, ACR {curve.acr:.{digits}f}")
    rows = zip(curve.radius_R, curve.accuracy_R, curve.low_R, curve.high_R, strict=True)
    for r, accuracy, low, high in rows:
        at = f"{r:5.2f}" if curve.norm == "L2" else f"{255 * r:4.1f}/255"
        print(f"  r {at}  {100 * accuracy:5.1f} %   ({100 * low:.1f} to {100 * high:.1f})")


def speed(args: argparse.Namespace) -> None:
    """Run ``speed``."""
    import torch

    from rsviz import checkpoints
    from rsviz import speed as timing
    from rsviz.networks import INPUT_SIZE

    device = _device(args.device)
    checkpoint = checkpoints.find(args.checkpoint)
    plain = checkpoints.load(checkpoint, device, ready=False)
    plain.to(memory_format=torch.contiguous_format)  # as the field's scripts leave it
    s = timing.measure(
        plain,
        checkpoints.load(checkpoint, device),
        INPUT_SIZE[checkpoint.card["dataset"]],
        device,
        args.seconds,
    )
    print(f"{s.votes_per_second:,.0f} votes/s, {s.gflops:,.0f} GFLOP/s")
    print(
        f"{s.votes_per_second / s.field_votes_per_second:.2f} times the field's loop "
        f"({s.field_votes_per_second:,.0f} votes/s)"
    )
    print(f"{s.gflops / s.matmul_gflops:.2f} of the matmul rate ({s.matmul_gflops:,.0f} GFLOP/s)")


def download(args: argparse.Namespace) -> None:
    """Run ``download``."""
    from rsviz.datasets import download_cifar10

    download_cifar10(_say)


def _device(name: str) -> str:
    import torch

    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("There is no CUDA device here; leave --device out to use the CPU.")
    if name != "cpu" and not name.startswith("cuda"):
        raise UserError(f"--device must be cpu or cuda, not {name!r}.")
    return name


def _command() -> str:
    """Return the command being run, as a card or log records it."""
    return " ".join(["python -m rsviz", *sys.argv[1:]])


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def claims(args: argparse.Namespace) -> None:
    """Run ``claims``."""
    from rsviz import checkpoints
    from rsviz import claims as claimed
    from rsviz.recipes import commands_of

    found = claimed.judge_all(checkpoints.root(), commands_of)
    if args.json:
        print(json.dumps([claimed.to_dict(f) for f in found], indent=1))
    else:
        print("\n".join(claimed.in_lines(found)))
