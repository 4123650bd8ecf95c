"""The real firmware with a hand-made model, in the emulator: a whole test set, compared, measured, and interrupted."""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.fake_model import DENSE_INT16, MISSING, SPARSE_INT8, FakeModel, FakeReference
from tests.scans import sample_row
from tinyloc.boards import Board, load_board
from tinyloc.bundle.provenance import Source
from tinyloc.bundle.schema import (
    Budget,
    Bundle,
    ModelFile,
    Outputs,
    Preprocessing,
    State,
    TestSet,
    Window,
    load_bundle,
    load_test_set,
    sha256,
)
from tinyloc.codegen.compile import model_id
from tinyloc.codegen.manifest import ManifestError
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.flash_reads import timing_of
from tinyloc.device.evaluation.collect_answers import ExchangeLog
from tinyloc.device.evaluation.evaluate import WAITED_SAMPLES, EvaluationError, evaluate
from tinyloc.device.evaluation.host_answers import BackgroundHost, GivenHost, HostError
from tinyloc.device.image.build import BuildResult, build_firmware
from tinyloc.device.link.client import DeviceClient, DeviceRefused
from tinyloc.device.link.frames import Frame, Message, Result
from tinyloc.device.link.transport import LinkError
from tinyloc.device.report.summary import summary
from tinyloc.device.report.verdict import limit_name


@dataclass(frozen=True)
class HostAnswer:
    scores: np.ndarray
    class_index: int


class Host:
    """FakeReference behind the interface of the integer reference."""

    def __init__(self, model: FakeModel) -> None:
        self.model, self.reference = model, FakeReference(model)

    def reset(self) -> None:
        self.reference.reset()

    def sample(self, indices, dbm) -> HostAnswer:
        row = [MISSING] * self.model.inputs
        for index, value in zip(indices.tolist(), dbm.tolist(), strict=True):
            row[index] = value
        class_index, scores = self.reference.sample(row)
        return HostAnswer(np.array(scores), class_index)


@dataclass(frozen=True)
class Case:
    """A model, its generated code, its image, and a bundle with a test set."""

    model: FakeModel
    board: Board
    generated: Path
    build: BuildResult
    bundle: Path

    def device(self, measure: bool = False) -> EmulatedDevice:
        return EmulatedDevice(self.build.elf, self.board, measure)

    def evaluate(self, **options):
        options.setdefault("transport", self.device())
        options.setdefault("host", Host(self.model))
        return evaluate(self.bundle, self.generated, self.build, self.board, **options)


def write_bundle(directory: Path, model: FakeModel, lengths: list[int]) -> Path:
    directory.mkdir()
    arithmetic = "int8" if model.bits == 8 else "int16x8"
    (directory / "model.tflite").write_bytes(b"not read here")
    states = [State(name="memory", input="a", output="b", shape=[1, model.classes])] if model.state else []
    file = ModelFile(
        arithmetic=arithmetic, path="model.tflite", sha256=sha256(directory / "model.tflite"), input="x", output="y",
        states=states,
    )  # fmt: skip
    random = np.random.default_rng(5)
    total = sum(lengths)
    rssi = random.integers(-100, -30, (total, model.inputs))
    rssi[random.random(rssi.shape) < 0.6] = MISSING
    TestSet(
        rssi_dbm=rssi.astype(np.int8),
        recording=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
        label=random.integers(0, model.classes, total).astype(np.int32),
        position_m=np.zeros((total, 3), np.float32),
        float_scores=np.zeros((total, model.classes), np.float32),
        float_class=random.integers(0, model.classes, total).astype(np.int32),
    ).save(directory / "test.npz")
    bundle = Bundle(
        name="fake", architecture="mlp",
        preprocessing=Preprocessing(
            access_points=[f"ap{i}" for i in range(model.inputs)], floor_dbm=-105, ceiling_dbm=0,
            hold_samples=model.hold,
        ),
        window=Window(steps=model.window, hop=model.hop, rate_hz=5.0),
        outputs=Outputs(
            classes=[f"room {c}" for c in range(model.classes)],
            positions_m=[(float(c), 0.0, 0.0) for c in range(model.classes)],
        ),
        models=[file], test_sha256=sha256(directory / "test.npz"),
        default_arithmetic=arithmetic, parameters=7, parameters_published=9,
        budget=Budget(ram_bytes=4096, flash_bytes=1 << 30),
        data=Source(name="made-up", title="made up", licence="none"),
    )  # fmt: skip
    (directory / "bundle.json").write_text(bundle.model_dump_json())
    return directory


def make_case(directory: Path, model: FakeModel, lengths: list[int]) -> Case:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    board = load_board("stm32l4")
    place = write_bundle(directory / "bundle", model, lengths)
    bundle = load_bundle(place)
    model = dataclasses.replace(model, model_id=int(model_id(bundle, bundle.models[0]), 16))
    generated = model.write(directory / "generated")
    return Case(model, board, generated, build_firmware(generated, board, directory / "firmware"), place)


@pytest.fixture(scope="session")
def dense(tmp_path_factory) -> Case:
    return make_case(tmp_path_factory.mktemp("dense"), DENSE_INT16, [25, 7, 2, 18])


@pytest.fixture(scope="session")
def sparse(tmp_path_factory) -> Case:
    return make_case(tmp_path_factory.mktemp("sparse"), SPARSE_INT8, [60])


def test_every_answer_of_a_sequence_model_equals_the_host(dense):
    shown = []
    result = dense.evaluate(progress=lambda done, total: shown.append((done, total)), measured=20)
    assert result.mismatches == 0
    assert (result.samples, result.decisions) == (52, 11 + 2 + 0 + 8)
    assert result.device == result.host_int
    assert shown[-1] == (52, 52)
    assert sum(map(sum, result.confusion)) == 21
    assert len(result.positions) == 21
    assert result.retries == 0


def test_every_answer_of_a_sparse_model_equals_the_host(sparse):
    result = sparse.evaluate(measured=0)
    assert result.mismatches == 0
    assert result.decisions == result.samples == result.measured_samples == 60


def test_cost_is_modelled_on_the_measured_samples(sparse):
    result = sparse.evaluate(measured=10)
    assert result.measured_samples == 10
    assert result.cycles_kind == "modelled"
    assert 100 < result.instructions.median < result.cycles.median < 20_000
    functions = {cost.name: cost for cost in result.functions}
    entries = [functions[name] for name in ("tl_localiser_sample", "tl_localiser_sample_dense")]
    assert sum(cost.calls for cost in entries) == pytest.approx(1)
    assert functions["tl_model_step"].calls == pytest.approx(1)
    mean = sum(cost.cycles for cost in result.functions)
    assert sum(cost.inclusive_cycles for cost in entries) == pytest.approx(mean)
    assert sum(result.stacks.values()) == pytest.approx(mean)
    assert all(chain.startswith("tl_localiser_sample") for chain in result.stacks)


def test_the_devices_own_count_is_the_modelled_one(dense):
    device = dense.device(measure=True)
    client = DeviceClient(device)
    client.reset()
    for _ in range(5):
        result = sample_row(client, np.full(5, -50, np.int8))
        assert abs(result.cycles - device.runs[-1].cycles) < 60  # reading the counter itself, whole blocks


def test_two_evaluations_measure_the_same(dense):
    first, second = dense.evaluate(measured=15), dense.evaluate(measured=15)
    changing = {"seconds": 0.0, "date": None}
    assert first.model_copy(update=changing) == second.model_copy(update=changing)


def test_memory_energy_and_budget_come_from_their_places(dense):
    result = dense.evaluate(measured=5)
    assert result.ram.arena == 12
    assert 0 < result.ram.stack <= 2048
    ram = result.ram
    assert ram.total == ram.arena + ram.state + ram.localiser + ram.stack + ram.static
    assert ram.stack_reserved == dense.board.build.stack_bytes
    assert result.flash.total == dense.build.sizes.flash
    # 84 uA/MHz at 3 V are 252 pJ a cycle
    assert result.energy.microjoule == pytest.approx(result.cycles.median * 252e-6)
    assert result.energy.study_microjoule == pytest.approx(result.cycles.median * 250e-6)
    limits = {line.name: (line.limit, line.source) for line in result.budget}
    assert limits == {"flash": (262_144, "board"), "ram": (4096, "recipe"), "latency": (200.0, "board")}
    assert result.within_budget


def test_a_wrong_answer_is_found_and_fails(sparse):
    class Wrong(Host):
        def sample(self, indices, dbm):
            answer = super().sample(indices, dbm)
            scores = answer.scores.copy()
            scores[2] += 1
            return HostAnswer(scores, answer.class_index)

    result = sparse.evaluate(host=Wrong(sparse.model), measured=1)
    assert result.mismatches == 60
    assert result.first_mismatches[0].scores_differ == 1
    assert not result.passed


def test_an_interrupted_evaluation_continues(dense, tmp_path):
    class Unplugged(Exception):
        pass

    def stop(done, total):
        if done == 28:
            raise Unplugged

    log = tmp_path / "log.jsonl"
    with pytest.raises(Unplugged):
        dense.evaluate(log=log, progress=stop)
    assert len(log.read_text().splitlines()) == 1 + 28
    log.write_text(log.read_text() + '{"sample": 28, "cl')  # the power failed while writing
    seen = []
    result = dense.evaluate(log=log, progress=lambda done, total: seen.append(done))
    assert result.mismatches == 0
    assert seen[0] == 26  # the first recording was complete, the second begins again
    assert not log.exists()


def test_a_log_can_be_interrupted_twice_and_is_of_one_image(sparse, tmp_path):
    device, test_set = DeviceClient(sparse.device()).hello(), load_test_set(sparse.bundle)
    path, one = tmp_path / "log.jsonl", Result(1, 2, 3, np.zeros(6, np.int16))
    log = ExchangeLog(path, device, "image a", test_set)
    log.add(0, one)
    log.close()
    path.write_text(path.read_text() + '{"sample": 1, "cl')  # the power failed while writing
    log = ExchangeLog(path, device, "image a", test_set)
    log.add(1, one)
    log.close()
    assert set(ExchangeLog(path, device, "image a", test_set).done) == {0, 1}
    assert not ExchangeLog(path, device, "image b", test_set).done


GOOD_LINE = {"sample": 1, "class": 1, "cycles": 2, "stack": 3, "scores": [0] * 6}


@pytest.mark.parametrize(
    "change",
    [
        {"sample": 60}, {"sample": -1}, {"sample": "1"}, {"class": 6}, {"class": None}, {"cycles": -2}, {"stack": 1.5},
        {"scores": [0] * 5}, {"scores": [1 << 20] * 6}, {"scores": 3}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_of_the_log_that_no_device_said_ends_it(sparse, tmp_path, change):
    device, test_set = DeviceClient(sparse.device()).hello(), load_test_set(sparse.bundle)
    path = tmp_path / "log.jsonl"
    log = ExchangeLog(path, device, "image a", test_set)
    log.add(0, Result(1, 2, 3, np.zeros(6, np.int16)))
    log.close()
    lines = [json.dumps(line) for line in (GOOD_LINE | change, GOOD_LINE | {"sample": 2})]
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    assert set(ExchangeLog(path, device, "image a", test_set).done) == {0}


def test_a_log_of_another_test_set_is_not_believed(sparse, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"model_id": "0123456789abcdef", "board": "stm32l4", "samples": 60, "readings": 1}\n'
                   '{"sample": 0, "class": 5, "cycles": 1, "stack": 1, "scores": [1, 2, 3, 4, 5, 6]}\n')  # fmt: skip
    assert sparse.evaluate(log=log, measured=1).mismatches == 0


def test_a_board_with_another_model_is_refused(dense, sparse):
    with pytest.raises(EvaluationError, match="the generated code holds model") as caught:
        sparse.evaluate(transport=dense.device())
    assert "5 on the device, 40 in the generated code" in str(caught.value)


def test_a_directory_without_generated_code_is_named(dense, tmp_path):
    with pytest.raises(ManifestError, match="tinyloc codegen"):
        evaluate(dense.bundle, tmp_path, dense.build, dense.board, dense.device())


def test_generated_code_of_an_older_bundle_is_refused(dense, tmp_path):
    """It would only give other answers than the host."""
    newer = Path(shutil.copytree(dense.bundle, tmp_path / "bundle"))
    content = json.loads((newer / "bundle.json").read_text())
    content["preprocessing"]["floor_dbm"] = -100
    (newer / "bundle.json").write_text(json.dumps(content))
    told = r"generated: .* older bundle.*`tinyloc codegen --arithmetic int16x8`, then `build`"
    with pytest.raises(EvaluationError, match=told):
        evaluate(newer, dense.generated, dense.build, dense.board, dense.device(), host=Host(dense.model))


def test_the_firmware_refuses_bad_frames_and_takes_the_next(dense):
    device = dense.device()
    client = DeviceClient(device)
    client.hello()
    client.reset()
    good = Frame(Message.HELLO, 3).encode()
    for bad in (good[:-3] + b"\0", good[:4] + b"\x77" + good[5:], b"\xff" * 400 + b"\0"):
        device.write(bad)
        device.read(0.1)
        assert sample_row(client, np.full(5, -50, np.int8)).scores.shape == (3,)
    with pytest.raises(DeviceRefused, match="access point 9 is beyond"):
        client.sample(np.array([9], np.uint16), np.array([-50], np.int8))
    assert sample_row(client, np.full(5, -50, np.int8)).scores.shape == (3,)  # the refused one was not counted


def test_the_rate_can_be_raised_and_falls_back(dense):
    device = dense.device()
    client = DeviceClient(device)
    client.hello()
    assert abs(client.set_baud(921_600) / 921_600 - 1) < 0.02
    assert client.hello().board == "stm32l4"
    other = DeviceClient(dense.device())
    other.transport.set_baud(921_600)
    with pytest.raises(LinkError, match=r"rates differ|never answered"):
        other.hello()
    with pytest.raises(DeviceRefused, match="baud"):
        client.set_baud(30_000_000)

    class Deaf(EmulatedDevice):
        """A host whose port accepts a rate and does not run at it."""

        def set_baud(self, baud: int) -> None:
            super().set_baud(baud if baud == 115_200 else 57_600)

    deaf = DeviceClient(Deaf(dense.build.elf, dense.board))
    with pytest.raises(LinkError, match="back at 115200"):
        deaf.set_baud(460_800)
    assert deaf.hello().board == "stm32l4"


def test_a_device_that_restarts_begins_its_recording_again(dense):
    class Shaky(EmulatedDevice):
        """Its power fails once, in the middle of a recording."""

        writes = 0

        def write(self, data: bytes) -> None:
            self.writes += 1
            if self.writes == 12:
                self.machine._reset("power-on")
            super().write(data)

    result = dense.evaluate(transport=Shaky(dense.build.elf, dense.board), measured=1)
    assert result.mismatches == 0
    assert result.settings["device_restarts"] == 1


def test_stale_state_is_noticed(dense):
    """The fake host without its memory must differ: the comparison is of all samples, not of the first."""
    forgetful = dataclasses.replace(dense.model, state=False)
    result = dense.evaluate(host=Host(forgetful), measured=1)
    assert 40 < result.mismatches < 52


def test_the_host_in_another_process_gives_the_same_answers_or_its_error(tmp_path, dense):
    failed = "bundle: the host reference of the int16x8 model failed"
    with BackgroundHost(dense.bundle, "int16x8") as host, pytest.raises(HostError, match=failed):
        host.answers()  # the bundle of this file has no real model
    test_set = load_test_set(dense.bundle)
    given = GivenHost(Host(dense.model), test_set).answers()
    assert given.scores.shape == (52, 3)
    assert (given.class_index >= 0).sum() == 21


def test_wait_states_decide_where_the_flash_has_some(dense):
    """Both figures are kept; time, energy and the budget are of the slower one."""
    timing = timing_of(dense.board)
    device = EmulatedDevice(dense.build.elf, dense.board, timing=timing)
    found, plain = dense.evaluate(transport=device, measured=30), dense.evaluate(measured=30)
    assert timing.wait_states == 4 and found.cycles == plain.cycles and plain.waited is None
    assert found.waited is not None and found.waited.samples == WAITED_SAMPLES and found.waited.timing == timing.text
    assert found.waited.cycles.median > plain.cycles.median
    latency = next(line for line in found.budget if line.name == "latency")
    assert latency.used == pytest.approx(1e3 * found.waited.cycles.max / found.clock_hz)
    assert found.energy.microjoule / plain.energy.microjoule == pytest.approx(
        found.waited.cycles.median / plain.cycles.median
    )
    assert "with wait states" in limit_name(found, latency)
    assert summary(found)["latency_ms"] == pytest.approx(1e3 * found.waited.cycles.median / found.clock_hz)
