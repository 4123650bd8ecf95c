"""A bundle's whole test set on a device, every answer compared with the host's, and what it costs."""

import platform
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.bundle.provenance import step
from tinyloc.bundle.schema import (
    QUALITY_GATES,
    Arithmetic,
    Budget,
    Bundle,
    TestSet,
    load_bundle,
    load_test_set,
    sha256,
)
from tinyloc.codegen.backend_names import backend_named
from tinyloc.codegen.compile import model_id
from tinyloc.codegen.frontend.source import position_rule, score_scale
from tinyloc.codegen.lowering.cliffs import Measured, cliffs
from tinyloc.codegen.manifest import Manifest, read_manifest
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.costs import REFILL
from tinyloc.device.emulator.profile import RunCost
from tinyloc.device.evaluation.budget import RequirementError, budget_lines, unanswerable, used_figures
from tinyloc.device.evaluation.chance import chance_of, timeline_of
from tinyloc.device.evaluation.collect_answers import Answers, ExchangeLog, Progress, collect
from tinyloc.device.evaluation.coverage import coverage
from tinyloc.device.evaluation.energy import energy
from tinyloc.device.evaluation.evaluation_record import (
    Buffer,
    Cost,
    Distribution,
    Evaluation,
    Layer,
    LitertDifferences,
    Quality,
    Sample,
    Waited,
)
from tinyloc.device.evaluation.host_answers import BackgroundHost, GivenHost, HostAnswers, HostLocaliser
from tinyloc.device.evaluation.positions import Decided, Metres, mean_places
from tinyloc.device.image.build import BuildResult, read_record
from tinyloc.device.image.footprint import measure_flash, measure_ram
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.frames import Hello
from tinyloc.device.link.key import SharedKey
from tinyloc.device.link.transport import Transport
from tinyloc.errors import UserError
from tinyloc.training.metrics import Due, confusion, due_decisions, position_errors, score
from tinyloc.training.protocol.bootstrap import intervals
from tinyloc.training.protocol.figures import figures, judged

MEASURED_SAMPLES = 200
"""In the emulator cycles are modelled for so many samples by default; the others run free."""
WAITED_SAMPLES = 20
"""For so many of them waits of the flash are modelled too, which takes several times as long."""
FIRST_MISMATCHES = 20


Units = npt.NDArray[np.int64] | None
"""(D,) what a bootstrap draws as a whole, of each decision; None in bundles that do not say it."""


NOTHING = Budget()


class EvaluationError(UserError):
    """The device, the bundle and the generated code do not belong together; the message says what to do."""


def evaluate(
    bundle_dir: Path,
    generated_dir: Path,
    build: BuildResult,
    board: Board,
    transport: Transport,
    *,
    host: HostLocaliser | None = None,
    measured: int = MEASURED_SAMPLES,
    baud: int | None = None,
    progress: Progress = lambda done, total: None,
    log: Path | None = None,
    timeout: float = 0.5,
    require: Budget = NOTHING,
    link_key: SharedKey | None = None,
) -> Evaluation:
    """Evaluate a model on a device.

    Args:
        build: the image that the device runs; flash and RAM are read from it.
        transport: the device, real or emulated.
        host: the integer reference; the bundle's `LocaliserReference` when not given.
        measured: samples whose cycles are modelled in the emulator, spread over the test set; 0 for all.
        baud: rate to change to for the test set; on a serial port only.
        log: JSONL file that lets an interrupted evaluation continue; it is removed at the end.
        require: gates of the command line, beside those of board and recipe.
        link_key: that the image was built with; None: it asks for no tags.
    Raises:
        EvaluationError, LinkError, BundleError, ManifestError, BuildError, HostError, and EmulatorCrash from the
        emulator.
    """
    started, command = time.monotonic(), step("evaluate")
    bundle = load_bundle(bundle_dir)
    test_set = load_test_set(bundle_dir, bundle)
    generated = read_manifest(generated_dir)
    arithmetic = check_generated(generated, bundle, generated_dir)
    client = DeviceClient(transport, timeout=timeout, key=link_key)
    hello = client.hello()
    check_device(hello, generated, bundle, board, transport.name, build.sizes.stack_reserve)
    if baud is not None and baud != transport.baud:
        client.set_baud(baud)
    emulated = transport if isinstance(transport, EmulatedDevice) else None
    chosen = _chosen(len(test_set.label), measured)
    waited = _chosen(len(test_set.label), WAITED_SAMPLES, chosen)
    if emulated is not None:
        emulated.runs.clear()

    def before(index: int) -> None:
        if emulated is not None:
            emulated.measure_next(index in chosen, index in waited)

    backend = backend_named(generated.backend)
    source = (
        GivenHost(host, test_set)
        if host is not None
        else BackgroundHost(bundle_dir, arithmetic, backend, generated.reference)
    )
    # what LiteRT computes is what the native back end does with its reference; all others are measured against it too
    other = backend != "native" or generated.reference != "litert"
    litert = BackgroundHost(bundle_dir, arithmetic) if other and host is None else None
    exchange = ExchangeLog(log, hello, sha256(build.elf), test_set) if log is not None else None
    with source, litert or nullcontext(), closing(exchange) if exchange is not None else nullcontext():
        answers = collect(
            client, test_set, generated.classes, independent=_independent(bundle, arithmetic), before=before,
            progress=progress, log=exchange,
        )  # fmt: skip
        expected = source.answers()
        native = litert.answers() if litert is not None else None
    runs = emulated.runs if emulated is not None else []
    rule = position_rule(bundle_dir, arithmetic) if bundle.outputs.position == "mean" else None
    places = mean_places(rule, bundle, test_set, answers, expected) if rule is not None else None
    evaluation = _evaluation(
        bundle,
        test_set,
        generated,
        build,
        board,
        transport,
        hello,
        expected,
        answers,
        runs,
        places,
        require,
        score_scale(bundle_dir, arithmetic) if host is None else 1.0,
    )
    found = coverage(bundle, bundle_dir, arithmetic, test_set, _due(bundle, test_set), answers, expected)
    evaluation = evaluation.model_copy(update={"coverage": found})
    if native is not None:
        evaluation = evaluation.model_copy(update={"litert": _differences(answers, native)})
    if exchange is not None:
        exchange.finish()
    seconds = time.monotonic() - started
    return evaluation.model_copy(
        update={
            "retries": client.counts.retries,
            "seconds": round(seconds, 3),
            "date": command.date,
            "commit": command.commit,
            "command": command.command,
        }
    )


def _differences(answers: Answers, native: HostAnswers) -> LitertDifferences:
    scores = np.abs(answers.scores.astype(np.int64) - native.scores)
    return LitertDifferences(
        samples=int((scores > 0).any(axis=1).sum()),
        decisions=int((answers.class_index != native.class_index).sum()),
        largest=int(scores.max(initial=0)),
    )


def _independent(bundle: Bundle, arithmetic: Arithmetic) -> bool:
    """Whether a sample's answer depends on that sample alone."""
    carries = bool(bundle.model(arithmetic).states) or bundle.preprocessing.hold_samples > 0
    return bundle.window.steps == 1 and not carries


def _chosen(samples: int, measured: int, among: frozenset[int] | None = None) -> frozenset[int]:
    """Which samples are measured: drawn with a fixed seed, so that no pattern of the recording is favoured."""
    if among is not None:
        drawn = _chosen(len(among), measured)
        return frozenset(index for place, index in enumerate(sorted(among)) if place in drawn)
    if measured <= 0 or measured >= samples:
        return frozenset(range(samples))
    return frozenset(np.random.default_rng(0).choice(samples, measured, replace=False).tolist())


def check_generated(generated: Manifest, bundle: Bundle, where: Path) -> Arithmetic:
    """The arithmetic of the generated code, once it is known to be of this bundle. Raises EvaluationError."""
    model = next((entry for entry in bundle.models if entry.arithmetic == generated.arithmetic), None)
    if (
        model is None
        or model_id(bundle, model, backend_named(generated.backend), generated.reference) != generated.model_id
    ):
        raise EvaluationError(
            f"{where}: the generated code belongs to an older bundle or another tinyloc; run `tinyloc codegen "
            f"--arithmetic {generated.arithmetic}`, then `build` with the same option (and `flash`) again"
        )
    return model.arithmetic


def check_device(
    hello: Hello, generated: Manifest, bundle: Bundle, board: Board, where: str, stack_bytes: int | None = None
) -> None:
    """Raises EvaluationError when the device runs another model than the generated code, or is no such board.

    stack_bytes: what the image reserves for its stack, as some back ends ask for more than the board; None: unknown.
    """
    problems = []
    if hello.model_id != generated.model_id:
        problems.append(f"the device runs model {hello.model_id}, the generated code holds model {generated.model_id}")
    if hello.backend != generated.backend:
        problems.append(f"the device has back end {hello.backend}, the generated code {generated.backend}")
    if hello.board != board.name:
        problems.append(f"the device is a {hello.board!r}, not a {board.name!r}")
    else:
        problems += check_board(hello, board, stack_bytes)
    sizes = (("inputs", hello.inputs, generated.inputs, len(bundle.preprocessing.access_points)),
             ("classes", hello.classes, generated.classes, len(bundle.outputs.classes)),
             ("window", hello.window, generated.window, bundle.window.steps),
             ("hop", hello.hop, generated.hop, bundle.window.hop))  # fmt: skip
    for name, device, code, model in sizes:
        if not device == code == model:
            problems.append(f"{name}: {device} on the device, {code} in the generated code, {model} in the bundle")
    if problems:
        form = f"--arithmetic {generated.arithmetic}"
        form += "" if generated.backend == "native" else f" --backend {generated.backend}"
        raise EvaluationError(
            f"{where}: {'; '.join(problems)}; run `tinyloc codegen {form}`, `tinyloc build {form}` and `flash` again"
        )


def check_board(hello: Hello, board: Board, stack_bytes: int | None = None) -> list[str]:
    """What a device says of itself that its board.toml, or its image (stack_bytes), does not."""
    stack = (board.build.stack_bytes, "board.toml") if stack_bytes is None else (stack_bytes, "the image")
    claims = {
        "clock in Hz": (hello.clock_hz, board.clock.hz, "board.toml"),
        "stack in bytes": (hello.stack_bytes, *stack),
    }
    problems = [
        f"{name}: {claimed:,} on the device, {known:,} in {place}"
        for name, (claimed, known, place) in claims.items()
        if claimed != known
    ]
    taken, ram = hello.arena_bytes + hello.state_bytes + hello.stack_bytes, sum(memory.size for memory in board.ram)
    if taken > ram:
        problems.append(f"arena, state and stack of {taken:,} bytes in {ram:,} bytes of RAM")
    return problems


def _evaluation(
    bundle: Bundle, test_set: TestSet, generated: Manifest, build: BuildResult, board: Board, transport: Transport,
    hello: Hello, expected: HostAnswers, answers: Answers, runs: Sequence[RunCost], places: Decided | None,
    require: Budget, scale: float,
) -> Evaluation:  # fmt: skip
    due = _due(bundle, test_set)
    unit = None if test_set.unit is None else np.unique(test_set.unit[due.sample], return_inverse=True)[1].reshape(-1)
    decided_m = (None, None, None) if places is None else (places.device, places.host, places.float_model)
    qualities = [
        _quality(bundle, due, classes[due.sample], metres, unit)
        for classes, metres in zip(
            (answers.class_index, expected.class_index, test_set.float_class), decided_m, strict=True
        )
    ]
    differs = (answers.class_index != expected.class_index) | (answers.scores != expected.scores).any(axis=1)
    if places is not None:
        differs |= places.differs
    wrong = np.flatnonzero(differs)
    flash = measure_flash(build.elf, build.map)
    ram = measure_ram(build.elf, int(answers.stack_high_water.max(initial=0)), build.sizes.stack_reserve)
    cycles, kind = _cycles(answers, runs, hello)
    waited = _waited(runs, transport)
    slower = cycles if waited is None else waited.cycles
    latency = None if slower is None else slower.max / hello.clock_hz * 1e3
    record = read_record(build.elf.parent)
    ram = ram.model_copy(update={"stack_bound": record.stack_bound_bytes})
    decided = answers.class_index[due.sample]
    power = None if slower is None else energy(board, slower.median)
    used = used_figures(flash.total, ram.total, latency, qualities[0], power, bundle.window.rate_hz)
    golden, required, recipe = bundle.samples_from == "golden scans", require.limits(), bundle.budget.limits()
    if problems := unanswerable(required, golden, used):
        raise RequirementError("; ".join(problems))
    if golden:
        recipe = {key: limit for key, limit in recipe.items() if key not in QUALITY_GATES}
    legal = _legal(bundle, due, decided)
    return Evaluation(
        name=bundle.name,
        model_id=generated.model_id,
        data=bundle.data.title,
        licence=bundle.data.licence,
        data_sha256=bundle.data.sha256,
        made_by=bundle.provenance.steps,
        architecture=bundle.architecture,
        parameters=bundle.parameters,
        parameters_published=bundle.parameters_published,
        arithmetic=generated.arithmetic,
        backend=generated.backend,
        board=board.name,
        board_title=board.title,
        clock_hz=hello.clock_hz,
        transport=transport.name,
        samples=len(test_set.label),
        samples_from=bundle.samples_from,
        decisions=len(due.sample),
        unseen_class_samples=int((due.label < 0).sum()),
        mismatches=len(wrong),
        first_mismatches=[
            Sample(
                index=int(index),
                device_class=int(answers.class_index[index]),
                host_class=int(expected.class_index[index]),
                scores_differ=int((answers.scores[index] != expected.scores[index]).sum()),
            )
            for index in wrong[:FIRST_MISMATCHES]
        ],
        device=qualities[0],
        host_int=qualities[1],
        float_model=qualities[2],
        comparison=None if bundle.samples_from == "golden scans" else bundle.comparison,
        classes=bundle.outputs.classes,
        confusion=confusion(due.label, legal, generated.classes).tolist(),
        chance=None if golden else chance_of(bundle, due, legal, decided_m[0], unit),
        timeline=timeline_of(bundle, test_set, due, decided, answers.margin, scale, unit),
        positions=_positions(bundle, due, decided, decided_m[0]),
        position_floors=_position_floors(bundle, due),
        site=bundle.site,
        cycles=cycles,
        cycles_kind=kind,
        waited=waited,
        instructions=_distribution([run.instructions for run in runs]),
        measured_samples=len(runs) if runs else (len(test_set.label) if cycles else 0),
        functions=_functions(runs),
        layers=(layers := _layers(generated, runs)),
        slow_layers=cliffs([_measured(layer) for layer in layers], board.core, "O2"),
        plan=[Buffer(**buffer.model_dump()) for buffer in generated.plan],
        plan_steps=generated.plan_steps,
        ram=ram,
        flash=flash,
        energy=power,
        budget=budget_lines(board, recipe, required, used),
        retries=0,
        seconds=0.0,
        stacks=_stacks(runs),
        versions={**_versions(), "gcc": record.compiler},
        made_with=dict(bundle.provenance.versions),
        settings={
            **bundle.settings,
            "optimise": record.optimise,
            "device_restarts": answers.restarts,
            "cost_model": _cost_model(board, transport) if runs else None,
        },
    )


def _cost_model(board: Board, transport: Transport) -> str:
    timing = transport.timing if isinstance(transport, EmulatedDevice) else None
    reads = timing.text if timing is not None and timing.wait_states else "no flash wait states"
    return f"{board.core}, {reads}, branch refill {REFILL}"


def _due(bundle: Bundle, test_set: TestSet) -> Due:
    """Find the decisions that are due. On golden scans, what is true is the float model's decision for that sample."""
    due = due_decisions(test_set, bundle.window)
    return replace(due, label=test_set.float_class[due.sample]) if bundle.samples_from == "golden scans" else due


def _legal(bundle: Bundle, due: Due, decided: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Decisions as they are scored: one that is missing or impossible becomes a wrong class."""
    classes = len(bundle.outputs.classes)
    wrong = (np.maximum(due.label, 0) + 1) % classes
    return np.where((decided >= 0) & (decided < classes), decided, wrong).astype(np.int32)


def _quality(
    bundle: Bundle, due: Due, decided: npt.NDArray[np.int32], decided_m: Metres | None, unit: Units
) -> Quality:
    """decided_m (N, 3): where decisions put the user, if not at the places of their classes (D,); unit (D,)."""
    legal = _legal(bundle, due, decided)
    scores = score(due.label, legal, due.position_m, bundle.outputs.positions_m)
    errors = scores.errors_m if decided_m is None else position_errors(decided_m[due.sample], due.position_m)
    centres = bundle.outputs.positions_m
    at_class = None if centres is None else np.asarray(centres)[legal]
    metres = at_class if decided_m is None else decided_m[due.sample]
    judgement = judged(due.label, legal, metres, due.position_m, bundle.outputs.floors, bundle.site.floors)
    found = figures(judgement)
    return Quality(
        macro_f1=scores.macro_f1,
        accuracy=scores.accuracy,
        errors_m=errors,
        floor_hit=found.get("floor_hit"),
        building_hit=found.get("building_hit"),
        evaal_m=found.get("evaal_m"),
        intervals={} if unit is None or bundle.samples_from == "golden scans" else intervals(judgement, unit),
    )


def _positions(
    bundle: Bundle, due: Due, decided: npt.NDArray[np.int32], decided_m: Metres | None
) -> list[list[float]] | None:
    """True x, y, z and decided x, y, z in metres of every decision whose true position is known."""
    if bundle.outputs.positions_m is None:
        return None
    known = ~np.isnan(due.position_m).any(axis=1)
    at_class = np.asarray(bundle.outputs.positions_m)[_legal(bundle, due, decided)]
    places = at_class if decided_m is None else decided_m[due.sample]
    rows: list[list[float]] = np.round(np.hstack([due.position_m, places])[known].astype(float), 3).tolist()
    return rows


def _position_floors(bundle: Bundle, due: Due) -> list[int]:
    """Index of the floor of the true class of every decision whose true position is known, -1 where unknown."""
    if bundle.outputs.floors is None:
        return []
    floors = np.asarray([*bundle.outputs.floors, -1])
    known = ~np.isnan(due.position_m).any(axis=1)
    found: list[int] = floors[due.label[known]].tolist()  # label -1 takes the last one
    return found


def _distribution(values: Sequence[float]) -> Distribution | None:
    if not len(values):
        return None
    median, p90 = np.percentile(values, [50, 90])
    return Distribution(median=float(median), p90=float(p90), max=float(max(values)))


def _cycles(answers: Answers, runs: Sequence[RunCost], hello: Hello) -> tuple[Distribution | None, str]:
    if runs:
        return _distribution([run.cycles for run in runs]), "modelled"
    if hello.counts_cycles:
        return _distribution(answers.cycles.tolist()), "counted by the device"
    return None, "not counted"


def _waited(runs: Sequence[RunCost], transport: Transport) -> Waited | None:
    """What the flash's wait states make of the cycles; None where they were not modelled or there are none."""
    found = _distribution([run.waited_cycles for run in runs if run.stalls is not None])
    timing = transport.timing if isinstance(transport, EmulatedDevice) else None
    if found is None or timing is None or not timing.wait_states:
        return None
    return Waited(cycles=found, samples=sum(run.stalls is not None for run in runs), timing=timing.text)


def _functions(runs: Sequence[RunCost]) -> list[Cost]:
    """Cost of every function a sample, averaged over the runs, dearest first."""
    sums: dict[str, list[float]] = {}
    for run in runs:
        for f in run.functions:
            row = sums.setdefault(f.name, [0.0, 0.0, 0.0, 0.0])
            for place, value in enumerate((f.cycles, f.instructions, f.calls, f.inclusive_cycles)):
                row[place] += value
    costs = [
        Cost(
            name=name, cycles=row[0] / len(runs), instructions=row[1] / len(runs), calls=row[2] / len(runs),
            inclusive_cycles=row[3] / len(runs),
        )
        for name, row in sums.items()
    ]  # fmt: skip
    return sorted(costs, key=lambda cost: (-cost.cycles, cost.name))


def _layers(generated: Manifest, runs: Sequence[RunCost]) -> list[Layer]:
    spent: dict[str, list[int]] = {}
    for run in runs:
        for f in run.functions:
            spent.setdefault(f.name, []).append(f.inclusive_cycles)
    return [
        Layer(**layer.model_dump(), cycles=float(np.median(spent[layer.name])) if layer.name in spent else None)
        for layer in generated.layers
    ]


def _measured(layer: Layer) -> Measured:
    return Measured(
        layer.name, layer.operators, layer.macs, layer.usual_kernel, layer.form_why, layer.hints, layer.cycles
    )


def _stacks(runs: Sequence[RunCost]) -> dict[str, float]:
    """Cycles a sample by call chain."""
    sums: dict[str, int] = {}
    for run in runs:
        for chain, cycles in run.folded.items():
            sums[chain] = sums.get(chain, 0) + cycles
    return {chain: cycles / len(runs) for chain, cycles in sorted(sums.items())}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in ("tinyloc", "unicorn", "capstone"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
