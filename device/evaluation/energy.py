"""Energy of one inference: cycles / f * I * V."""

from tinyloc.boards import Board
from tinyloc.device.evaluation.evaluation_record import Energy


def microjoules(cycles: float, hz: float, milliamperes: float, volts: float) -> float:
    """Energy of `cycles` at a clock of `hz`, drawing `milliamperes` at `volts`."""
    return cycles / hz * milliamperes * volts * 1e3


def energy(board: Board, cycles: float) -> Energy | None:
    """Energy of an inference of that many cycles on a board, with its own figures and with the study's.

    None for a board whose board.toml has no figures: a virtual one.
    """
    supply = board.energy
    if supply is None:
        return None
    run_ma = supply.run_ma_per_mhz * board.clock.hz / 1e6
    text = (
        f"{cycles:.0f} cycles at {board.clock.hz / 1e6:g} MHz, {run_ma:.3g} mA "
        f"({supply.run_ma_per_mhz * 1e3:g} uA/MHz) at {supply.volts:g} V: the inference alone, core running, without "
        f"sleep, radio and UART; sleep current {supply.sleep_ua:g} uA. {supply.source} ({supply.date})."
    )
    study = None
    if supply.study is not None:
        study = microjoules(cycles, supply.study.hz, supply.study.run_ma, supply.volts)
        text += f" Study: {supply.study.run_ma:g} mA at {supply.study.hz / 1e6:g} MHz."
    return Energy(
        microjoule=microjoules(cycles, board.clock.hz, run_ma, supply.volts),
        study_microjoule=study,
        assumptions=text,
        volts=supply.volts,
        sleep_microamp=supply.sleep_ua,
    )
