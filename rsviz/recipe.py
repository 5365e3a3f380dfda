"""How one shipped checkpoint is made and measured: its settings, and the commands they become."""

from dataclasses import dataclass

from rsviz.settings import as_words
from rsviz.training import TrainSpec

WEIGHTINGS = "weightings"  # the folder of an ensemble's logs, one for each way to weigh it


@dataclass(frozen=True)
class Recipe:
    """One shipped checkpoint.

    ``start`` names the checkpoint it continues from, ``members`` those an ensemble is made of;
    ``needs`` others that must be there; ``sigmas`` the noise levels it is measured at (None: the
    method chooses), the first one's log being ``certified.csv``, on
    every ``every``-th test image. Minutes are of two CPU cores, training alone.
    """

    name: str
    method: str
    dataset: str
    network: str
    sigma: float | str
    epochs: int
    lr: float
    sigmas: tuple[float | None, ...]
    minutes: float
    every: int = 20
    start: str = ""
    seed: int = 0
    settings: tuple[tuple[str, float | str], ...] = ()
    members: tuple[str, ...] = ()
    dtype: str = "float32"
    needs: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """The checkpoints that must be there first."""
        return self.needs + (self.members or ((self.start,) if self.start else ()))

    def train_spec(self) -> TrainSpec:
        """Return the settings of its training."""
        return TrainSpec(
            self.method,
            self.dataset,
            self.network,
            self.sigma,
            self.epochs,
            lr=self.lr,
            seed=self.seed,
            start=self.start,
            settings=self.settings,
            dtype=self.dtype,
        )

    def train_command(self, device: str = "cpu") -> str:
        """Return the command that trains or fits it, as the card records it."""
        if self.members:
            on = "" if device == "cpu" else f" --device {device}"
            names = " ".join(self.members)
            return (
                f"python -m rsviz ensemble fit {names} --seed {self.seed}"
                f" --out checkpoints/{self.name}{on}"
            )
        start = f" --start {self.start}" if self.start else ""
        changed = f" {as_words(self.settings)}" if self.settings else ""
        changed += f" --dtype {self.dtype}" if self.dtype != "float32" else ""
        on = "" if device == "cpu" else f" --device {device}"
        return (
            f"python -m rsviz train {self.method} --dataset {self.dataset} --network {self.network}"
            f" --sigma {self.sigma} --epochs {self.epochs} --lr {self.lr} --seed {self.seed}{start}"
            f"{changed} --out checkpoints/{self.name}{on}"
        )

    def log(self, sigma: float | None) -> str:
        """Return the file name of the log at one noise level."""
        if self.members:
            return f"{WEIGHTINGS}/optimal.csv"
        return "certified.csv" if sigma == self.sigmas[0] else f"certified-{sigma}.csv"

    def evaluate_command(self, sigma: float | None, n: int, device: str = "cpu") -> str:
        """Return the command that measures it at one noise level (every weighting, if several)."""
        level = "" if sigma is None else f" --sigma {sigma}"
        on = "" if device == "cpu" else f" --device {device}"
        how = f"{level} --split test --every {self.every} --n0 100 --n {n} --alpha 0.001"
        if self.members:
            out = f"checkpoints/{self.name}/{WEIGHTINGS}"
            return f"python -m rsviz ensemble score {self.name}{how} --out {out}{on}"
        out = f"checkpoints/{self.name}/{self.log(sigma)}"
        return f"python -m rsviz evaluate --checkpoint {self.name}{how} --out {out}{on}"
