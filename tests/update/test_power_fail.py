"""The power goes at an operation of the flash: the device boots with the old or the new model, whole, and says which.

Emulated boards; what a cut leaves is modelled in device/emulator/flash_memory.py. The fast test samples the operations,
the slow one cuts at each of them, with every effect, and once more while the update is repeated.
"""

import itertools
from collections.abc import Iterator

import pytest

from tests.update.two_models import NEW, OLD, TwoModels, two_models
from tinyloc.boards import load_board
from tinyloc.device.emulator.flash_memory import Cut, Effect
from tinyloc.device.emulator.machine import PowerLost
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.update.client import read_status, run_new_model, send_update
from tinyloc.device.update.slot import slots_of

BOARDS = ("stm32l4", "aducm3029", "cc2650")
EFFECTS: tuple[Effect, ...] = ("before", "torn", "after")


class Bench:
    """One emulated board, put back to the state of the factory for each cut."""

    def __init__(self, models: TwoModels) -> None:
        self.models = models
        self.device = models.power_up()
        machine = self.device.machine
        self.flash = machine.flash
        memory = next(memory for memory in machine.board.memory if "w" not in memory.access)
        self.base, self.factory = memory.base, self.flash.load(memory.base, memory.size)

    def fresh(self) -> None:
        """The flash as it was delivered."""
        self.flash.late.clear()
        self.flash.store(self.base, self.factory)
        self.flash.torn.clear()
        self.flash.unstable.clear()
        self.flash.programs.clear()
        self.flash.erases.clear()
        self.flash.cut, self.flash.operations = None, 0
        self.device.machine.power_on()

    def update(self, cut: Cut | None) -> bool:
        """Send the new model; whether the power lasted."""
        start = self.flash.operations
        self.flash.cut = None if cut is None else Cut(start + cut.at, cut.effect, cut.seed)
        try:
            client = DeviceClient(self.device)
            status = read_status(client)
            if status.version < 2:
                send_update(client, self.models.headers[NEW], self.models.constants[NEW])
            run_new_model(client)
            return True
        except PowerLost:
            self.device.machine.power_on()
            return False

    def now(self) -> int:
        """The model that answers after a start, which a second start does not change."""
        found = self.models.which(DeviceClient(self.device))
        status = read_status(DeviceClient(self.device))
        assert status.active is not None and status.slots[status.active].whole
        return found


def operations_of(bench: Bench) -> int:
    """Flash operations of an update that nothing disturbs; at most one erase a page."""
    bench.fresh()
    assert bench.now() == OLD
    assert bench.update(None)
    assert bench.now() == NEW
    assert bench.flash.erases and max(bench.flash.erases.values()) == 1
    return bench.flash.operations


def cuts(total: int, step: int) -> Iterator[Cut]:
    """Every `step`-th operation with every effect, and the last ones, which commit."""
    places = sorted({*range(0, total, step), *range(total - 3, total)})
    return (Cut(at, effect, seed=at) for at, effect in itertools.product(places, EFFECTS))


def survives(bench: Bench, cut: Cut, again: Cut | None) -> None:
    """Cut an update, and its repetition where `again` is given; then finish it."""
    bench.fresh()
    whole = bench.update(cut)
    first = bench.now()
    assert not whole or first == NEW
    if again is not None:
        bench.update(again)
        second = bench.now()
        assert second >= first  # what was committed is not lost
    assert bench.update(None)
    assert bench.now() == NEW


@pytest.mark.parametrize("board", BOARDS)
def test_sampled_cuts_leave_a_whole_model(board: str) -> None:
    bench = Bench(two_models(board))
    total = operations_of(bench)
    for number, cut in enumerate(cuts(total, 31)):
        survives(bench, cut, Cut(7 * number % total, "torn", number) if number % 3 == 0 else None)


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_a_cut_at_every_operation_leaves_a_whole_model(board: str) -> None:
    bench = Bench(two_models(board))
    total = operations_of(bench)
    for cut in cuts(total, 1):
        survives(bench, cut, Cut((cut.at * 31 + 5) % total, EFFECTS[cut.at % 3], cut.at + 1))


def test_torn_units_of_the_stm32l4_raise_nmis_that_the_boot_survives() -> None:
    bench = Bench(two_models("stm32l4"))
    operations_of(bench)
    seen = []
    entered = bench.device.machine.part.unreadable  # type: ignore[attr-defined]

    def watched(address: int) -> int:
        seen.append(address)
        return int(entered(address))

    bench.device.machine.part.unreadable = watched  # type: ignore[attr-defined]
    bench.fresh()
    assert not bench.update(Cut(40, "torn", 3))
    other = slots_of(load_board("stm32l4"), len(bench.models.constants[NEW])).second
    bench.flash.torn.update(range(other, other + 256, 8))
    bench.device.machine.power_on()
    assert bench.now() == OLD
    assert seen


def test_wear_is_one_erase_a_page() -> None:
    bench = Bench(two_models("stm32l4"))
    operations_of(bench)
    assert sum(bench.flash.erases.values()) == 1  # the whole slot is one page of 2 KB here
    assert max(bench.flash.programs.values()) == 1
