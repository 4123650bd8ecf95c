"""Rooms, pictures and access-point positions of a description, as the report draws them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from tinyloc.bundle.pictures import MOST_BYTES, PictureError, picture_size
from tinyloc.bundle.site import MOST_PICTURE_BYTES, FloorPicture, Room
from tinyloc.names import printable
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.files import some
from tinyloc.training.data.own.description import OwnData, OwnFloor
from tinyloc.training.data.own.positions import Frame
from tinyloc.training.data.radio_map.findings import Findings


def with_site(data_set: DataSet, about: OwnData, frame: Frame, folder: Path) -> DataSet:
    """Return the data set with rooms, pictures and access-point positions.

    Raises:
        DataError: what belongs nowhere, and pictures that are none, all at once.
    """
    findings = Findings()
    groups = list(dict.fromkeys(data_set.class_group))
    rooms = _rooms(about, frame, groups, findings)
    pictures = _pictures(about, frame, groups, folder, findings)
    unknown = [name for name in about.access_point_positions if name not in data_set.access_points]
    if unknown:
        findings.problems.append(
            f"access_point_positions names {some([printable(name) for name in unknown])}, which is no access point; "
            f"there are {some(data_set.access_points)}"
        )
    findings.stop()
    found = replace(
        data_set, floor_plan=tuple(rooms), floor_pictures=pictures, floor_names=_names(about, groups),
        notes=(*data_set.notes, *findings.notes),
    )  # fmt: skip
    if not about.access_point_positions:
        return found
    places = np.full((len(data_set.access_points), 3), np.nan)
    for number, name in enumerate(data_set.access_points):
        if name in about.access_point_positions:
            places[number] = [*about.access_point_positions[name], 0.0][:3]
    return replace(found, access_point_m=frame.metres(places))


def _rooms(about: OwnData, frame: Frame, groups: Sequence[str], findings: Findings) -> list[Room]:
    rooms = []
    for room in about.rooms:
        if room.floor is not None and room.floor not in groups:
            known = some(groups) if groups else "no floors"
            findings.problems.append(f"room {room.name}: no class is on floor {room.floor!r}; there are {known}")
            continue
        corners = frame.metres(np.array([(x, y, 0.0) for x, y in room.outline]))
        outline = [(float(x), float(y)) for x, y, _ in corners]
        try:
            rooms.append(Room(name=room.name, outline_m=outline, floor=groups.index(room.floor) if room.floor else 0))
        except ValidationError as error:
            findings.problems += [f"room {room.name}: {one['msg']}" for one in error.errors()]
    return rooms


def _group(about: OwnData, number: int, groups: Sequence[str]) -> str | None:
    """The classes' group that a floor of the description is; None where it is told by its place."""
    return about.floors[number].floor or (f"F{number}" if groups and len(about.floors) > 1 else None)


def _names(about: OwnData, groups: Sequence[str]) -> dict[int, str]:
    """Index of a floor -> its name for people."""
    named = [(_group(about, number, groups), number, floor.name) for number, floor in enumerate(about.floors)]
    return {number if group is None else groups.index(group): name
            for group, number, name in named if group is None or group in groups}  # fmt: skip


def _pictures(
    about: OwnData, frame: Frame, groups: Sequence[str], folder: Path, findings: Findings
) -> dict[int, FloorPicture]:
    """Index of a floor -> its picture."""
    found: dict[int, FloorPicture] = {}
    for number, floor in enumerate(about.floors):
        if floor.image is None:
            continue
        where = f"floor {printable(floor.name)}: image {printable(floor.image)}"
        group = _group(about, number, groups)
        if group is not None and group not in groups:
            known = some(groups) if groups else "no floors"
            said = f"{where}: no class is on floor {group!r}; there are {known}"
            (findings.problems if floor.floor else findings.notes).append(said)
            continue
        index = groups.index(group) if group is not None else number
        if index in found:
            findings.problems.append(f"{where}: this floor has a picture already; give each [[floors]] its own `floor`")
            continue
        picture = _picture(floor, where, frame, folder, findings)
        if picture is not None:
            found[index] = picture
    return found


def _picture(floor: OwnFloor, where: str, frame: Frame, folder: Path, findings: Findings) -> FloorPicture | None:
    """None with a problem, or with a note for a picture that is too large to travel in every report."""
    try:
        content = _first_bytes(folder / str(floor.image))
        _, width, height = picture_size(content)
    except PictureError as error:
        findings.problems.append(f"{where}: {error}")
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else "no name of a file"
        findings.problems.append(f"{where} cannot be read ({why}); file names are relative to the TOML file")
        return None
    given = (floor.width_px or width, floor.height_px or height)
    if given != (width, height):
        findings.problems.append(
            f"{where}: width_px and height_px say {given[0]:,} x {given[1]:,}, the file has {width:,} x {height:,}; "
            "correct or leave out both"
        )
        return None
    if len(content) > MOST_PICTURE_BYTES:
        findings.notes.append(
            f"{where} has {len(content):,} bytes; the report carries at most {MOST_PICTURE_BYTES:,} and shows no "
            "picture. Save it smaller"
        )
        return None
    ((left, bottom, _),) = frame.metres(np.array([(*floor.origin, 0.0)]))
    try:
        return FloorPicture.of_file(content, floor.metres_per_pixel, float(left), float(bottom))
    except ValidationError as error:
        findings.problems += [f"{where}: {one['msg']}" for one in error.errors()]
        return None


def _first_bytes(path: Path) -> bytes:
    """A file, but no more of it than shows that it is too large. OSError for a device, too."""
    if path.exists() and not path.is_file():
        raise OSError(0, "no plain file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
