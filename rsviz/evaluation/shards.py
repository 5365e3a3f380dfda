"""One evaluation by several processes: each certifies its share into a part, one joins the parts.

What the log lacks is dealt out anew at every start, so that a run goes on with another number of
processes, or one, where it was killed. The joined log is in the order of the images, and row for
row, up to the seconds, that of one process: an image's noise depends on nothing but its seed.
The processes of several machines share the folder of the log.
"""

import csv
import glob
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

from torch import nn

from rsviz.core.files import check_out_file, sole_writer, write_whole
from rsviz.core.progress import Report
from rsviz.data.datasets import Dataset
from rsviz.evaluation import row_checks
from rsviz.evaluation.evaluate import EvaluationSpec, evaluate, open_log
from rsviz.smoothing.processes import Processes


def evaluate_together(
    spec: EvaluationSpec,
    nets: Mapping[str, nn.Module],
    data: Dataset,
    out: Path,
    processes: Processes,
    device: str = "cpu",
    command: str = "",
    report: Report = print,
) -> None:
    """Certify every chosen image that ``out`` and its parts do not hold yet; return when all are.

    Raises
    ------
    UserError
        ``out``, or a part of it, holds a log of another run.
    """
    check_out_file(out)
    if processes.count == 1:
        if _parts(out):
            with sole_writer(out):
                join(spec, out, device, command, nets)
        return evaluate(spec, nets, data, out, device, command, report)
    with sole_writer(out) if processes.first else nullcontext():
        if processes.first:
            join(spec, out, device, command, nets)
        processes.wait()
        held = open_log(out, spec, device, command, nets)
        missing = [i for i in spec.indices(len(data)) if i not in held]
        part = part_of(out, processes.rank)
        own = missing[processes.share()]
        evaluate(spec, nets, data, part, device, command, report, own)
        processes.wait()
        if processes.first:
            join(spec, out, device, command, nets)
        processes.wait()


def part_of(out: Path, rank: int) -> Path:
    """Return where a process writes its rows until they are joined, beside the log."""
    return out.with_name(f".{out.name}.{rank}.part")


def join(
    spec: EvaluationSpec, out: Path, device: str, command: str, nets: Mapping[str, nn.Module]
) -> None:
    """Write the rows of a log and of its parts into it, by image, and remove the parts.

    The log is begun where there is none.
    """
    parts, rows = _parts(out), dict[int, list[str]]()
    for file in (out, *parts):
        open_log(file, spec, device, command, nets)
        rows |= {int(row[0]): row for row in _rows(file)}
    if not parts:
        return
    lines = out.read_text(encoding="utf-8").split("\n", 2)
    head, ordered = f"{lines[0]}\n{lines[1]}\n", [rows[i] for i in sorted(rows)]
    write_whole(out, row_checks.with_checks(head, ordered))
    for part in parts:
        part.unlink()
        part.with_name(f".{part.name}.lock").unlink(missing_ok=True)


def _parts(out: Path) -> list[Path]:
    return sorted(out.parent.glob(f".{glob.escape(out.name)}.*.part"))


def _rows(file: Path) -> Iterator[list[str]]:
    """Yield the rows of a log, without their checks."""
    with file.open(newline="", encoding="utf-8") as lines:
        next(lines)
        columns, *rows = csv.reader(lines)
    return (row[: -1 if columns[-1] == row_checks.CHECK else None] for row in rows)
