"""The simulated house: a wearable that sends 5 packets a second, access points that log how loud they hear it.

Training and validation are scripted fingerprint walks (validation is a walk of its own), the test is free living on
other days: other spots, other headings, unequal room use, furniture moved. Everything follows from one seed.
"""

import numpy as np

from tinyloc.bundle.comparison import SIMULATOR
from tinyloc.training.data import radio, walks
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.data.floor_plans import HOUSES, House
from tinyloc.training.errors import DataError

CITATION = (
    "Simulated by tinyloc; access-point and class counts after D. Byrne et al., Residential wearable RSSI and "
    "accelerometer measurements with detailed location annotations, Scientific Data 5, 2018"
)
LICENCE = "Apache-2.0 (made by tinyloc)"


def load(
    name: str,
    seed: int = 1,
    training_walks: int = 4,
    living_recordings: int = 2,
    living_minutes: float = 15.0,
    simulator: int = SIMULATOR,
    channel: str = "typical",
) -> DataSet:
    """Simulate a house: scripted walks to train and validate, free living on other days to test.

    Args:
        name: house-a to house-d.
        seed: of the radio environment and of every walk.
        training_walks: scripted walks to train on; one more is made for validation.
        living_recordings: recordings of the test set.
        living_minutes: length of each of them in minutes.
        simulator: version. 1: worn on the chest, all rooms used. 2: at the wrist, with a body that shades more, a
            swinging arm and postures, and one room with most of the time, as in the real homes.
        channel: "typical", or "flat": level, lost packets and fading calibrated to a real flat (`radio.CHANNELS`).

    Raises:
        DataError: an unknown house or impossible options, all at once.
    """
    problems = []
    if name not in HOUSES:
        problems.append(f"no house named {name!r} (there are {', '.join(HOUSES)})")
    if seed < 0:
        problems.append(f"seed = {seed}, must be 0 or more")
    if training_walks < 1:
        problems.append(f"training_walks = {training_walks}, must be at least 1")
    if living_recordings < 1:
        problems.append(f"living_recordings = {living_recordings}, must be at least 1")
    if not 0.5 <= living_minutes <= 24 * 60:
        problems.append(f"living_minutes = {living_minutes:g}, must be 0.5 to 1440")
    if simulator not in radio.WEARERS:
        problems.append(f"simulator = {simulator}, must be one of {', '.join(map(str, radio.WEARERS))}")
    if channel not in radio.CHANNELS:
        problems.append(f"channel = {channel!r}, must be one of {', '.join(radio.CHANNELS)}")
    if problems:
        raise DataError(f"simulated house: {'; '.join(problems)}; correct the data options")
    house = HOUSES[name]
    environment = np.random.default_rng([seed, 0])
    wearer = radio.WEARERS[simulator]
    air = radio.CHANNELS[channel]
    habits = walks.HABITS[simulator]
    longer = walks.longer_stays(house, habits, np.random.default_rng([seed, 3]))
    fields = [radio.random_field(environment) for _ in house.access_points]

    def scripted(number: int) -> Recording:
        generator = np.random.default_rng([seed, 1, number])
        return _record(
            house, f"fingerprint_{number + 1}", walks.fingerprint_walk(house, generator), fields, generator, wearer, air
        )

    def living(number: int) -> Recording:
        generator = np.random.default_rng([seed, 2, number])
        track = walks.living_walk(house, generator, living_minutes * 60, habits, longer)
        return _record(house, f"living_{number + 1}", track, fields, generator, wearer, air)

    centres = [(x, y, z + radio.WEARABLE_M) for x, y, z in (space.centre for space in house.spaces)]
    return DataSet(
        name=name,
        title=f"Simulated house {name[-1].upper()}",
        licence=LICENCE,
        citation=CITATION,
        access_points=tuple(f"ap{number:02d}" for number in range(1, len(house.access_points) + 1)),
        classes=tuple(space.name for space in house.spaces),
        class_position_m=np.array(centres, np.float32),
        rate_hz=walks.RATE_HZ,
        sequential=True,
        train=tuple(scripted(number) for number in range(training_walks)),
        validation=(scripted(training_walks),),
        test=tuple(living(number) for number in range(living_recordings)),
        simulator=simulator,
        floor_plan=tuple(space.room() for space in house.spaces),
        access_point_m=np.array(house.access_points, np.float64),
    )


def _record(
    house: House,
    name: str,
    track: walks.Track,
    fields: list[radio.Field],
    generator: np.random.Generator,
    wearer: radio.Wearer,
    channel: radio.Channel,
) -> Recording:
    return Recording(
        name=name,
        rssi_dbm=radio.hear(house, track, fields, generator, wearer, channel),
        position_m=(track.position_m + np.array([0.0, 0.0, radio.WEARABLE_M])).astype(np.float32),
        label=track.label,
        time_s=track.time_s,
    )
