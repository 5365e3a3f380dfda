"""The commands that hold a certificate against something: ``verify`` and ``attack``."""

import argparse
import json
import secrets
from dataclasses import asdict, replace
from typing import Any

from rsviz.commands import _device, _load_image, _run_settings, _say
from rsviz.errors import UserError


def verify(args: argparse.Namespace) -> int:
    """Run ``verify``; return 0 if everything holds, else 1."""
    from rsviz import checkpoints
    from rsviz import verify as checking
    from rsviz.networks import INPUT_SIZE
    from rsviz.spec import Certificate

    try:
        text = args.certificate.read_text()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{args.certificate} cannot be read as text.") from None
    c = Certificate.from_json(text)
    seed = checking.spec_of(c).seed
    checkpoint = checkpoints.find(args.checkpoint or c.checkpoint)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    crop = _crop(args.crop)
    x_CHW, _ = _load_image(args.image, INPUT_SIZE[checkpoint.card["dataset"]], crop)
    fresh = args.fresh_seed
    while fresh is None or (args.fresh_seed is None and fresh == seed):
        fresh = secrets.randbelow(2**31 - 1)
    checks = checking.verify(c, x_CHW, checkpoint, fresh, _device(args.device), args.fresh_n)
    verified = checking.holds(checks)
    if args.json:
        rows = [asdict(check) for check in checks]
        print(json.dumps({"verified": verified, "fresh_seed": fresh, "checks": rows}, indent=1))
        return 0 if verified else 1
    for check in checks:
        print(f"{'holds  ' if check.holds else 'REFUSED'}  {check.name}: {check.says}")
    print("Verified." if verified else "Refused: do not rely on this certificate.")
    return 0 if verified else 1


def _crop(text: str) -> Any:
    """Return a crop by name, or a box given as four fractions: left,top,right,bottom."""
    if text in ("centre", "whole"):
        return text
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--crop must be centre, whole, or left,top,right,bottom, not {text!r}."
        ) from None
    return left, top, right, bottom


def attack(args: argparse.Namespace) -> int:
    """Run ``attack``; return 1 if more attacks inside the radius succeed than chance allows."""
    from rsviz import attacking, checkpoints, datasets, run
    from rsviz.networks import INPUT_SIZE

    checkpoint, how = checkpoints.find(args.checkpoint), _attack_spec(args)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    if (args.image is None) == (args.every is None):
        raise UserError("Name one image, or give --split and --every, but not both.")
    dataset, device = checkpoint.card["dataset"], _device(args.device)
    names = [args.image]
    if args.every is not None:
        if args.every < 1:
            raise UserError("--every must be at least 1.")
        length = len(datasets.load(dataset, args.split))
        names = [f"{dataset}/{args.split}/{i}" for i in range(0, length, args.every)]
    settings = _run_settings(checkpoint, args.set)

    def make_spec(name: str, x_CHW: Any) -> Any:
        return run.make_spec(
            checkpoint,
            x_CHW,
            args.sigma,
            name if name.split("/")[0] in datasets.CLASSES else "",
            n=args.n,
            alpha=args.alpha,
            seed=args.seed,
            settings=settings,
        )

    done = []
    for row in attacking.attack_subset(
        names,
        lambda name: _load_image(name, INPUT_SIZE[dataset], "centre")[0],
        checkpoints.load_nets(checkpoint, device),
        make_spec,
        how,
        device,
    ):
        done.append(row)
        told = ", ".join(f"{b:g}x {v}" for b, v in row.verdicts) or "abstains: not attacked"
        _say(f"{row.image}: radius {row.certificate.radius:.3f}: {told}")
    return _report(args, how, done)


def _attack_spec(args: argparse.Namespace) -> Any:
    from rsviz.attacking import AttackSpec
    from rsviz.spec import Norm

    return AttackSpec(
        _numbers("--budgets", args.budgets),
        Norm(args.norm),
        args.steps,
        args.draws,
        args.n_predict,
        args.alpha,
        args.seed,
        args.target,
    )


def _report(args: argparse.Namespace, how: Any, done: list[Any]) -> int:
    """Print the counts; return 1 if PREDICT contradicts more certificates than chance allows."""
    from rsviz import attacking

    rows = attacking.tally(v for row in done for v in row.verdicts)
    surprising = [
        t for t in rows if t.budget < 1 and attacking.refuted(t.broken, t.attacked, 2 * args.alpha)
    ]
    if args.json:
        told = {
            "attack": asdict(how),
            "images": len(done),
            "abstained": sum(row.certificate.abstained for row in done),
            "counts": [asdict(t) for t in rows],
            "each": [
                {
                    "image": row.image,
                    "radius": row.certificate.radius,
                    "verdicts": [{"budget": b, "verdict": v} for b, v in row.verdicts],
                }
                for row in done
            ],
        }
        print(json.dumps(told, indent=1))
        return 1 if surprising else 0
    silent = sum(row.certificate.abstained for row in done)
    print(f"{len(done)} images, {silent} abstained and were not attacked; {how.norm} attacks of")
    print(f"{how.steps} steps, {how.draws} draws each, judged by PREDICT, n {how.n:,}:")
    for t in rows:
        print(
            f"  {t.budget:5.2f} x radius: {t.broken:4} of {t.attacked} broken, {t.holds} hold, "
            f"{t.undecided} undecided"
        )
    print(
        "Inside the radius none may break, but with probability at most alpha "
        f"({args.alpha:g}) for each certificate and again for each PREDICT."
    )
    print("An attack that fails outside the radius proves nothing: another may succeed.")
    if surprising:
        print("REFUTED: more broke inside the radius than chance allows; something is wrong.")
    return 1 if surprising else 0


def under_attack(args: argparse.Namespace) -> None:
    """Run ``under-attack``."""
    from rsviz import attack_logs, checkpoints, datasets
    from rsviz.commands import _command
    from rsviz.under_attack import SELECTOR, AttackedSpec, measure_to

    checkpoint = checkpoints.find(args.checkpoint)
    if checkpoint.problem:
        raise UserError(f"Checkpoint {checkpoint.name} cannot be used: {checkpoint.problem}.")
    if checkpoint.card["method"] != "variational":
        raise UserError("under-attack needs a checkpoint of Variational RS.")
    if args.every < 1:
        raise UserError("--every must be at least 1.")
    spec = AttackedSpec(
        _numbers("--sigmas", args.sigmas),
        _numbers("--lams", args.lams),
        args.eps,
        args.steps,
        args.draws,
        args.n,
        args.seed,
    )
    data = datasets.load(checkpoint.card["dataset"], args.split)
    head = {"checkpoint_sha256": checkpoint.sha256, "split": args.split, "command": _command()}
    nets = checkpoints.load_nets(checkpoint, _device(args.device))
    images = range(0, len(data), args.every)
    settings = replace(SELECTOR, q=float(checkpoint.card.get("run", {}).get("q", SELECTOR.q)))
    measure_to(nets, data, images, spec, head, args.out, _say, settings)
    found = attack_logs.read(args.out)
    print(f"{len(images)} images, L2 attacks of length {spec.eps:g}; right, per cent:")
    for setting in (*found.fixed, *found.chosen):
        shares = [f"{a} {100 * found.of(setting, a).mean():.1f}" for a in attack_logs.ATTACKS]
        print(f"  {setting:12} level {found.sigma[setting]:<5g} {', '.join(shares)}")


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise UserError(f"{option} must be numbers with commas, not {text!r}.") from None
