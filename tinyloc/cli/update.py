"""`tinyloc update`: replace the model of deployed devices over their serial ports."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, ArithmeticOption, LinkKeyOption, RunArgument, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run
from tinyloc.errors import UserError, counted


class PortsError(UserError):
    """No port, or two ways to name them."""


KeyOption = Annotated[
    Path, typer.Option("--key", help="File with the key of the devices: 32 bytes, or 64 hexadecimal digits.")
]
VersionOption = Annotated[
    int, typer.Option("--model-version", min=1, max=2**32 - 1, help="Version of the model; a device never goes back.")
]


def update(
    run: RunArgument,
    key: KeyOption,
    port: Annotated[
        str | None, typer.Option("--port", help="Serial port of the device, such as /dev/ttyACM0 or COM3.")
    ] = None,
    ports: Annotated[
        Path | None, typer.Option("--ports", help="File with a port a line: update all of them side by side.")
    ] = None,
    model_version: VersionOption = 1,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Let the device go back to the model in its other slot.")
    ] = False,
    link_key: LinkKeyOption = None,
    baud: Annotated[int, typer.Option("--baud", help="Baud rate.")] = 115200,
    arithmetic: ArithmeticOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Send the model of a run to devices that run its program. Exit code 1: a device has not got it.

    The code must be generated with `tinyloc codegen --updatable`, the image built with `tinyloc build --key`. An
    interrupted update goes on when the command runs again. The new model answers from the next RESET on.
    """
    from tinyloc.device.link.key import read_key
    from tinyloc.device.link.serial_port import SerialPort
    from tinyloc.device.update.fleet import DeviceReport, Fleet, ModelPackage, read_ports, update_fleet

    if (port is None) == (ports is None):
        raise PortsError("name the devices: --port PORT for one, or --ports FILE with a port a line")
    names = [port] if port is not None else read_ports(Path(str(ports)))
    layout = find_run(run, runs_dir)
    package = ModelPackage(layout.need_generated(arithmetic), read_key(key), model_version)

    def tell(report: DeviceReport) -> None:
        version = "" if report.version is None else f", version {report.version_before} -> {report.version}"
        say(f"{report.port}: {report.outcome}{version}{f': {report.detail}' if report.detail else ''}")

    fleet = Fleet(names, lambda name: SerialPort(name, baud), None if link_key is None else read_key(link_key))
    reports = update_fleet(fleet, package, rollback=rollback, tell=tell)
    write_json(json, {"devices": [report.model_dump() for report in reports]})
    failed = [report for report in reports if not report.good]
    if failed:
        say(f"{len(failed)} of {counted(len(reports), 'device')} failed; run the command again to continue")
        raise typer.Exit(1)
