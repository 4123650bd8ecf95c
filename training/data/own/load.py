"""A user's own radio map as a data set."""

from pathlib import Path

from tinyloc.errors import counted
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.own.checks import aligned, check_labels, check_readings, labelled
from tinyloc.training.data.own.description import OwnData, described
from tinyloc.training.data.own.positions import Frame, in_metres
from tinyloc.training.data.own.reading import open_table, read_scans
from tinyloc.training.data.own.site import with_site
from tinyloc.training.data.own.times import check_times, ordered
from tinyloc.training.data.radio_map.build import Facts, build
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans
from tinyloc.training.data.table import Table


def load(path: Path, split_seed: int = 0) -> DataSet:
    """Read the description at `path` and the files that it names beside it.

    Args:
        path: A TOML file, see `OwnData`.
        split_seed: Fixes which units are held out where neither files nor a column say so.

    Returns:
        The data set; its notes say what was read, left out, guessed and doubted.

    Raises:
        DataError: Lists all problems of the files.
    """
    about = described(path)
    findings = Findings()
    files, frame, rate_hz = read_files(path.parent, about, findings)
    facts = Facts(about.name, about.title or about.name, about.licence, about.citation, about.combine)
    data_set = build(facts, files, about.split_rule, about.class_rule, rate_hz, split_seed, findings)
    return with_site(data_set, about, frame, path.parent)


def read_files(folder: Path, about: OwnData, findings: Findings) -> tuple[dict[str, Scans], Frame, float]:
    """Read and check all files: what each is for -> its scans, their frame, and the rate (Hz).

    Raises:
        DataError: Lists all problems.
    """
    tables: dict[str, Table] = {}
    for split, name in about.files().items():
        with findings.caught():
            tables[split] = open_table(folder / name, about)
    read: dict[str, Scans] = {}
    for split, table in tables.items():
        scans = read_scans(table, about, findings)
        if scans is not None:
            findings.notes.append(_size(table, scans))
            read[split] = scans
    files: dict[str, Scans] = {}
    rates = []
    for split, scans in read.items():
        with findings.caught():
            kept = labelled(ordered(scans, about, findings), about, findings)
            check_readings(kept, about, findings)
            check_labels(kept, about, findings)
            seen = check_times(kept, about, findings)
            rates += [seen] if seen else []
            files[split] = kept
    findings.stop()
    files, frame = in_metres(aligned(files, findings), about, findings)
    findings.stop()
    rate = about.rate_hz or (1 / about.scan_s if about.scan_s else None) or (_round(rates[0]) if rates else 1.0)
    return files, frame, rate


def _round(rate_hz: float) -> float:
    """Four significant digits."""
    return float(f"{rate_hz:.4g}")


def _size(table: Table, scans: Scans) -> str:
    blank = f" ({counted(table.blank_lines, 'blank line')} skipped)" if table.blank_lines else ""
    recordings = counted(len(set(scans.recording.tolist())), "recording")
    points = counted(len(scans.points), "access point")
    kinds = (("day", scans.day), ("device", scans.device))
    told = "".join(f", {counted(len(set(cells.tolist())), kind)}" for kind, cells in kinds if cells is not None)
    return f"{table.source}: {counted(len(table), 'row')}{blank}, {recordings}, {points}{told}"
