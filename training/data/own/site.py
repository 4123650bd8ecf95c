"""Rooms and access-point positions of a description, as the report draws them."""

from dataclasses import replace

import numpy as np
from pydantic import ValidationError

from tinyloc.bundle.site import Room
from tinyloc.names import printable
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.files import some
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.data.own.positions import Frame
from tinyloc.training.data.radio_map.findings import Findings


def with_site(data_set: DataSet, about: OwnData, frame: Frame) -> DataSet:
    """Return the data set with rooms and access-point positions. DataError names those that belong nowhere."""
    findings = Findings()
    floors = list(dict.fromkeys(data_set.class_group))
    rooms = []
    for room in about.rooms:
        if room.floor is not None and room.floor not in floors:
            known = some(floors) if floors else "no floors"
            findings.problems.append(f"room {room.name}: no class is on floor {room.floor!r}; there are {known}")
            continue
        corners = frame.metres(np.array([(x, y, 0.0) for x, y in room.outline]))
        outline = [(float(x), float(y)) for x, y, _ in corners]
        try:
            rooms.append(Room(name=room.name, outline_m=outline, floor=floors.index(room.floor) if room.floor else 0))
        except ValidationError as error:
            findings.problems += [f"room {room.name}: {one['msg']}" for one in error.errors()]
    unknown = [name for name in about.access_point_positions if name not in data_set.access_points]
    if unknown:
        findings.problems.append(
            f"access_point_positions names {some([printable(name) for name in unknown])}, which is no access point; "
            f"there are {some(data_set.access_points)}"
        )
    findings.stop()
    if not about.access_point_positions:
        return replace(data_set, floor_plan=tuple(rooms))
    places = np.full((len(data_set.access_points), 3), np.nan)
    for number, name in enumerate(data_set.access_points):
        if name in about.access_point_positions:
            places[number] = [*about.access_point_positions[name], 0.0][:3]
    return replace(data_set, floor_plan=tuple(rooms), access_point_m=frame.metres(places))
