"""The facts of each data set, in one table (no torch)."""

from dataclasses import dataclass, replace

from rsviz.data import canvases, shape_attributes, shapes

SPLITS = ("train", "test", "fit", "validation")  # the last two are the first, in two parts


@dataclass(frozen=True)
class DatasetInfo:
    """What networks, logs and pages need to know of a data set before any image is read.

    ``classes`` are names, empty where rsviz holds no images of it; ``mean`` and ``std`` are of the
    pixels its networks expect, by channel; an image is 3 x ``size`` x ``size``. ``mirrored`` says
    whether training may turn left and right about.
    """

    classes: tuple[str, ...]
    class_count: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int
    mirrored: bool = True

    @property
    def entries(self) -> int:
        """d, the numbers an image is made of: R_inf = R / sqrt(d)."""
        return 3 * self.size**2


def _info(
    classes: tuple[str, ...], mean: tuple[float, ...], std: tuple[float, ...], size: int
) -> DatasetInfo:
    return DatasetInfo(classes, len(classes), mean, std, size)  # type: ignore[arg-type]


_CIFAR10 = (
    ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    (0.4914, 0.4822, 0.4465),
    (0.2023, 0.1994, 0.2010),
)
_SVHN = (tuple("0123456789"), (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
_GREY = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
_SHAPES = (shapes.CLASSES, *_GREY)

DATASETS: dict[str, DatasetInfo] = {
    "cifar10": _info(*_CIFAR10, 32),
    "shapes": _info(*_SHAPES, 32),
    "svhn": replace(_info(*_SVHN, 32), mirrored=False),  # house numbers
    # On canvases: the same classes and statistics, larger images.
    **{f"cifar10-k{k}": _info(*_CIFAR10, k) for k in canvases.SIZES},
    **{f"shapes-k{k}": _info(*_SHAPES, k) for k in canvases.SIZES},
    **{
        f"{shape_attributes.BASE}-k{k}": _info(shape_attributes.CLASSES, *_GREY, k)
        for k in canvases.SIZES
    },
    "imagenet": DatasetInfo((), 1000, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224),
}
CLASSES = {name: info.classes for name, info in DATASETS.items() if info.classes}
STATISTICS = {name: (info.mean, info.std) for name, info in DATASETS.items()}
CLASS_COUNT = {name: info.class_count for name, info in DATASETS.items()}
INPUT_SIZE = {name: info.size for name, info in DATASETS.items()}
PIXELS = {name: DATASETS[name].entries for name in ("cifar10", "shapes", "svhn", "imagenet")}


def add(name: str, classes: tuple[str, ...], size: int) -> None:
    """Add the facts of a data set that is this machine's own, for this process."""
    info = _info(classes, *_GREY, size)
    DATASETS[name], CLASSES[name] = info, classes
    STATISTICS[name], CLASS_COUNT[name] = (info.mean, info.std), info.class_count
    INPUT_SIZE[name] = size
