"""Rows and files in the format of UJIIndoorLoc, for tests."""

from tinyloc.training.data import uji

HEADER = [*uji.ACCESS_POINTS, "LONGITUDE", "LATITUDE", "FLOOR", "BUILDINGID", "TIMESTAMP"]


def row(longitude: float, latitude: float = 0.0, floor: int = 0, building: int = 0, **heard: int) -> list[str]:
    readings = [str(heard.get(name, 100)) for name in uji.ACCESS_POINTS]
    return [*readings, str(longitude), str(latitude), str(floor), str(building), "1371713733"]


def text(rows: list[list[str]], header: list[str] | None = None) -> str:
    return "\n".join(",".join(line) for line in [header or HEADER, *rows]) + "\n"
