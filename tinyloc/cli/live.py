"""`tinyloc live`: a page on which a model works while somebody walks."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import note
from tinyloc.cli.options import BOARD_HELP, RUNS_DIR, ArithmeticOption, LinkKeyOption, RunArgument, RunsDirOption
from tinyloc.cli.runs import find_run
from tinyloc.cli.survey import (
    BaudOption,
    BrowserOption,
    HttpPortOption,
    ReplayOption,
    SourceOption,
    SpeedOption,
    opened,
)
from tinyloc.errors import UserError

FUSION = "fusion:"
"""RUN fusion:WALK is a filter along a walk, see survey/fusion_walks.py."""


def live(
    run: RunArgument,
    board: Annotated[str, typer.Option("--board", help=BOARD_HELP, autocompletion=complete.boards)] = "cc2650",
    port: Annotated[
        str | None,
        typer.Option("--port", help="Serial port of the board that runs the model. Default: the emulator."),
    ] = None,
    source: SourceOption = None,
    replay: ReplayOption = None,
    demo: Annotated[bool, typer.Option("--demo", help="Replay the walk that comes with a model of the zoo.")] = False,
    speed: SpeedOption = 1.0,
    baud: BaudOption = 115200,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", help="Folder of a survey: its plan and ids, and recordings. Default: live in the run."
        ),
    ] = None,
    arithmetic: ArithmeticOption = None,
    link_key: LinkKeyOption = None,
    http_port: HttpPortOption = 0,
    browser: BrowserOption = True,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Show a model at work in the browser: its dot on the plan, probabilities, cost of each answer, accuracy.

    RUN fusion:FOLDER shows UWB fixes, dead reckoning and their fusion along your own recording, fusion:trek-m1l and
    others along published ones, fusion:loop and fusion:corridor along simulated walks.
    """
    from tinyloc.boards import load_board
    from tinyloc.device.emulator import EmulatedDevice
    from tinyloc.device.image.build import load_build
    from tinyloc.device.link.key import read_key
    from tinyloc.device.link.persistent_port import PersistentPort
    from tinyloc.device.link.serial_port import SerialPort
    from tinyloc.device.link.transport import Transport
    from tinyloc.survey.demo import demo_of
    from tinyloc.survey.live_desk import live_desk
    from tinyloc.survey.live_model import LiveModel
    from tinyloc.survey.serve import serve
    from tinyloc.survey.sources.names import make_source

    if run.startswith(FUSION):
        given = {"--port": port, "--source": source, "--replay": replay, "--demo": demo, "--arithmetic": arithmetic}
        unused = [name for name, value in given.items() if value]
        if unused:
            raise UserError(f"{run} plays a walk on the emulated board; leave out {', '.join(unused)}")
        _fusion(run.removeprefix(FUSION), board, speed, folder, http_port, browser)
        return
    found = load_board(board)
    layout = find_run(run, runs_dir)
    shown = demo_of(run) if demo else None
    sources = [make_source(text, baud) for text in source or []]
    sources += [make_source(str(replay), speed=speed)] if replay is not None else []
    sources += [shown.source(speed)] if shown is not None else []
    if not (layout.generated(layout.arithmetic(arithmetic)).exists() and layout.firmware(board).exists()):
        note("making code and image")
    generated = layout.need_generated(arithmetic)
    image = layout.need_firmware(board, arithmetic)
    transport: Transport
    told: list[Callable[[str], None]] = [note]

    def tell(text: str) -> None:
        for hear in told:
            hear(text)

    if port:
        transport = PersistentPort(lambda: SerialPort(port, found.uart.baud), tell=tell)
    else:
        transport = EmulatedDevice(load_build(image).elf, found, measure=True)
    key = None if link_key is None else read_key(link_key)
    model = LiveModel(layout.path, generated, found, transport, shown.title if shown is not None else "", key)
    told.append(model.tell)
    desk = live_desk(model, layout.path, folder or layout.path / "live", board, shown)
    for one in sources:
        desk.recorder.add_source(one)
    try:
        serve(desk, http_port, lambda address: opened(address, browser))
    finally:
        desk.close()


def _fusion(name: str, board: str, speed: float, folder: Path | None, http_port: int, browser: bool) -> None:
    """Show a filter at work along a walk."""
    import tempfile

    from tinyloc.boards import load_board
    from tinyloc.device.emulator import EmulatedDevice
    from tinyloc.survey.fusion_walks import build_walk, find_walk
    from tinyloc.survey.live_fusion import LiveFusion
    from tinyloc.survey.project import Project
    from tinyloc.survey.recorder import Recorder
    from tinyloc.survey.serve import serve
    from tinyloc.survey.state import Desk

    found, chosen = find_walk(name), load_board(board)
    with tempfile.TemporaryDirectory(prefix="tinyloc-live-") as work:
        note("making code and image")
        image = build_walk(found, chosen, Path(work))
        shown = LiveFusion(found, EmulatedDevice(image.elf, chosen, measure=True), chosen, speed)
        project = Project(folder or Path(work) / "live", plan=shown.plan())
        desk = Desk(project, Recorder(project), board, shown)
        try:
            serve(desk, http_port, lambda address: opened(address, browser))
        finally:
            desk.close()
