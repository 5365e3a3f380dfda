"""The flags a certificate may carry: each with what raises it and what to do about it."""

from dataclasses import dataclass, replace

from rsviz.core.spec import Bound, Certificate


@dataclass(frozen=True)
class Flag:
    """A mark on a certificate: what raises it, what it means, what to do about it."""

    name: str
    raised_if: str
    meaning: str
    what_to_do: str


PARTIAL = "partial"
TOO_FEW = "n too small for this alpha"
HEURISTIC = "heuristic"
RESAMPLED = "image resampled"
UNLIKE = "alpha or norm unlike the others compared"
RETRIED = "seed retried"
RAISED = "n changed after seeing"
REREAD = "re-read"
TRIED = "one of several runs"
FAR_NOISE = "noise far from training"
FAR = 1.5  # times the noise trained at, or as many times less

FLAGS: dict[str, Flag] = {
    flag.name: flag
    for flag in (
        Flag(
            PARTIAL,
            "The votes did not end at the planned n: they still come in, or were stopped or "
            "extended.",
            "Under the anytime or the split bound the certificate holds as it stands and may "
            "grow. Under Clopper-Pearson nothing is certified.",
            "Let the run finish, or read it with the anytime bound.",
        ),
        Flag(
            TOO_FEW,
            "Even if all n votes agreed, the lower bound on p_A would not exceed 1/2.",
            "The run abstains whatever the image.",
            "Raise n or alpha; Clopper-Pearson needs n > log(1/alpha) / log 2.",
        ),
        Flag(
            HEURISTIC,
            "No proof covers what this method does.",
            "The radius is an estimate and not certified.",
            "Use it to explore only; read beside the number why it is not proved.",
        ),
        Flag(
            RESAMPLED,
            "The image was cropped or resized to the resolution the network sees.",
            "The radius is about the resized image, not about the file that was opened.",
            "Compare lengths at the network's resolution, or give an image of that size.",
        ),
        Flag(
            UNLIKE,
            "Another alpha or norm stands beside it in the same comparison.",
            "The radii say different things, and a larger number need not be the better one.",
            "Re-read the votes at one alpha, and compare one norm at a time.",
        ),
        Flag(
            RETRIED,
            "The same image was certified before with another seed.",
            "Each result fails with probability at most alpha, but the best of several fails "
            "more often.",
            "Report the first, or all of them; divide alpha by the number of seeds tried.",
        ),
        Flag(
            RAISED,
            "The same picture was certified before with other numbers of votes, or asked another "
            "question.",
            "Stopping or going on by what one saw fails up to twice as often as alpha says.",
            "Plan n before the first vote; the anytime bound lets a run go on at no cost.",
        ),
        Flag(
            REREAD,
            "alpha, the bound or the form was changed after these votes had been seen.",
            "Each reading holds, but the best of two fails more often: 1.4 alpha for two bounds.",
            "State the reading that was set before the votes came in.",
        ),
        Flag(
            TRIED,
            "The same picture was certified before by another network, noise, crop or setting.",
            "Each result fails with probability at most alpha, but one that was chosen among "
            "several fails up to that many times as often.",
            "Report all of them, or read each at alpha divided by their number.",
        ),
        Flag(
            FAR_NOISE,
            f"The noise is more than {FAR:g} times what the network was trained at, or less than "
            f"1/{FAR:g} of it.",
            "The certificate holds, but it shows a network at noise it has not seen, not what its "
            "method can do.",
            "Use the noise it was trained at, or a network trained at this noise.",
        ),
    )
}


def of(name: str, c: Certificate) -> Flag:
    """Return a flag of a certificate; of votes that ended early it says what its bound makes of it.

    Raises
    ------
    KeyError
        There is no such flag.
    """
    flag = FLAGS[name]
    if name != PARTIAL:
        return flag
    if c.bound is Bound.CLOPPER_PEARSON:
        meaning = "Clopper-Pearson holds at the planned n alone, so nothing is certified."
        return replace(flag, meaning=meaning)
    if c.abstained:
        meaning = "So far nothing is proved, which more votes may change."
        return replace(flag, meaning=meaning, what_to_do="Let the run finish.")
    meaning = "This bound holds whenever one stops: the certificate stands as it is, and may grow."
    return replace(flag, meaning=meaning, what_to_do="Let the run finish for the largest radius.")


def flagged(certificate: Certificate, *names: str) -> Certificate:
    """Return the certificate with these flags added, each once."""
    return replace(certificate, flags=tuple(dict.fromkeys(certificate.flags + names)))


def is_far(sigma: float | None, trained: float | None) -> bool:
    """Whether a network is smoothed with much more or less noise than it was trained at."""
    if not sigma or not trained:
        return False
    return not 1 / FAR <= sigma / trained <= FAR
