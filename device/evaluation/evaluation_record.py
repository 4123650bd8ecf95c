"""What an evaluation found: the one record that text, JSON and HTML reports are made from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tinyloc.bundle.comparison import Comparison, Interval
from tinyloc.bundle.provenance import Step
from tinyloc.bundle.schema import SamplesFrom
from tinyloc.bundle.site import Site
from tinyloc.device.image.footprint_record import Flash, Ram
from tinyloc.names import Line, Sha256

QUALITY_LINES = frozenset({"macro F1", "accuracy", "mean error", "P90 error", "floor hit"})
"""Names of budget lines that gate quality."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quality(_Strict):
    """Decisions against labels, on the decisions that are due."""

    macro_f1: float
    accuracy: float
    errors_m: dict[str, float] | None = None
    """mean, p50, p75, p90, max of the position error in metres, where positions exist."""
    floor_hit: float | None = None
    """Share of decisions on the true floor, where the classes lie on several floors."""
    building_hit: float | None = None
    """Share of decisions in the true building, where the site has several."""
    evaal_m: float | None = None
    """EvAAL score: mean error in metres, 4 m more for a wrong floor, 50 m more for a wrong building."""
    intervals: dict[str, Interval] = {}
    """95 % interval of each figure, by the names of training/protocol/figures.py; empty where units are not known."""


class Coverage(_Strict):
    """Decisions that the device answers, where it may answer "unknown"."""

    answered: float
    """Share of the decisions with an answer."""
    accuracy: float | None
    """Accuracy of the answered decisions; None where there is none."""
    macro_f1: float | None
    silent: int
    """Decisions on samples that hear nothing."""
    mismatches: int | None
    """Decisions where device and host disagree on whether to answer; None for windows and forward fill."""


class Distribution(_Strict):
    """Of one quantity over the samples."""

    median: float
    p90: float
    max: float


class Cost(_Strict):
    """Execution cost of a function, a sample on average over the measured ones."""

    name: str
    cycles: float  # in the function itself: these add up to the whole sample
    instructions: float  # likewise
    calls: float
    inclusive_cycles: float | None = None  # with what it calls


class Layer(_Strict):
    """One generated call."""

    name: str  # C function
    operators: list[str]  # the TFLite operators it stands for
    macs: int
    constant_bytes: int
    form: str | None = None  # as the manifest has it, with why and the estimate for that form
    form_why: str = ""
    form_cycles: int | None = None
    usual_kernel: str | None = None
    hints: list[str] = []
    cycles: float | None = None  # modelled, median over the measured samples, None where not measured


class Buffer(_Strict):
    """One tensor of the memory plan. Live from step `first` to step `last`, both included."""

    name: str
    offset: int
    size: int
    first: int
    last: int


class Waited(_Strict):
    """Cycles of one sample with the wait states of the board's flash."""

    cycles: Distribution
    samples: int  # that they were modelled of
    timing: Line  # the model of the flash


class Energy(_Strict):
    """Energy of one inference: cycles / f * I * V."""

    microjoule: float
    study_microjoule: float | None  # with the currents of arXiv 2412.09289
    assumptions: str
    volts: float | None = None  # supply; with sleep_microamp, what battery life is reckoned from
    sleep_microamp: float | None = None  # between samples


class BudgetLine(_Strict):
    """One limit and what was used of it, or reached."""

    name: Line  # flash, ram, latency, macro F1, accuracy, mean error, P90 error, floor hit, energy, current
    used: float
    limit: float
    unit: Line | Literal[""]
    source: Line  # board, recipe or command line
    at_least: bool = False  # a figure that must be reached

    @property
    def ok(self) -> bool:
        return self.used >= self.limit if self.at_least else self.used <= self.limit


class Chance(_Strict):
    """The device's figure beside that of always naming the commonest class of the test set, paired."""

    metric: Line  # macro_f1, or error_mean_m of a model that decides positions
    device: float
    commonest: float
    low: float  # ends of the 95 % interval of device minus commonest
    high: float
    class_name: Line

    @property
    def better(self) -> bool:
        return self.high < 0 if self.metric.endswith("_m") else self.low > 0


class Timeline(_Strict):
    """The D decisions in order."""

    sample: list[int]  # at which each was due
    recording: list[int]  # that the sample belongs to
    label: list[int]  # true class, -1 for one that was never trained
    decided: list[int]
    margin: list[float]  # lead over the next best: in units of the float scores, or votes
    unit: list[int] = []  # what a bootstrap draws as a whole
    votes: bool = False  # the margin counts votes
    rate_hz: float


class Sample(_Strict):
    """A sample whose answer on the device differs from the host's."""

    index: int
    device_class: int
    host_class: int
    scores_differ: int


class LitertDifferences(_Strict):
    """A device on another back end than native, or with an arithmetic of tinyloc's own, against LiteRT's kernels."""

    samples: int  # whose scores differ
    decisions: int  # that differ
    largest: int  # difference of a score, in units of the quantised scores


class Evaluation(_Strict):
    """A test set, run on a device."""

    name: Line  # bundle
    model_id: str
    data: Line
    licence: Line
    data_sha256: Sha256 | None = None  # of what training read
    made_by: list[Step] = []  # commands that made the model
    architecture: Line
    parameters: int
    parameters_published: int
    arithmetic: Line
    backend: Line
    board: Line
    board_title: Line
    clock_hz: int
    transport: Line  # "emulator (unicorn 2.1.4)" or "serial /dev/ttyACM0"
    samples: int
    samples_from: SamplesFrom = "test set"  # golden scans are made up: the scores are agreement with the float model
    decisions: int
    unseen_class_samples: int  # decisions whose true class was never trained: counted as errors
    mismatches: int  # samples on which the device differs from the host's reference of its back end
    litert: LitertDifferences | None = None  # None: it equals LiteRT, or differs by its mismatches
    first_mismatches: list[Sample]
    device: Quality
    host_int: Quality
    float_model: Quality
    chance: Chance | None = None  # None on golden scans, and in records of before it was computed
    timeline: Timeline | None = None
    date: Line | None = None  # start of the evaluation, UTC, ISO 8601
    commit: Line | None = None  # of tinyloc's checkout
    command: Line | None = None  # as it was typed; None from Python
    coverage: Coverage | None = None  # None: every sample gets an answer
    comparison: Comparison | None = None  # simple methods on the same split; None on golden scans and in old bundles
    classes: list[Line]
    confusion: list[list[int]]  # [true][predicted], device
    positions: list[list[float]] | None  # a decision: true x, y, z, predicted x, y, z (m)
    position_floors: list[int] = []  # index in site.floors of the true class of each of them, -1 where unknown
    site: Site
    cycles: Distribution | None  # of one sample, modelled or counted
    cycles_kind: Line  # "modelled" or "counted by the device"
    waited: Waited | None = None  # None: the flash has no wait states, or the device counted the cycles
    instructions: Distribution | None
    measured_samples: int  # samples whose cycles were modelled
    functions: list[Cost]
    layers: list[Layer]
    slow_layers: list[str] = []  # lines on layers of more than twice their kind's usual cycles per MAC
    stacks: dict[str, float] = {}  # "caller;callee" -> cycles a sample, for a flame graph
    plan: list[Buffer]
    plan_steps: list[str]  # name of each step of the plan
    ram: Ram
    flash: Flash
    energy: Energy | None
    budget: list[BudgetLine]
    retries: int  # frames sent again
    seconds: float  # wall-clock time of the evaluation, for information
    versions: dict[str, str]  # of what evaluated
    made_with: dict[str, str] = {}  # versions of what trained and exported
    settings: dict[str, Any]

    @property
    def golden(self) -> bool:
        return self.samples_from == "golden scans"

    @property
    def slower_cycles(self) -> Distribution | None:
        """Of one sample, with wait states where the flash has them: time, energy and the budget are of these."""
        return self.cycles if self.waited is None else self.waited.cycles

    @property
    def within_budget(self) -> bool:
        return all(line.ok for line in self.budget)

    @property
    def no_better_than_chance(self) -> bool:
        """Nothing was asked of its quality, and it does not beat the commonest class."""
        gated = any(line.name in QUALITY_LINES for line in self.budget)
        return self.chance is not None and not gated and not self.chance.better

    @property
    def passed(self) -> bool:
        unanswered = self.coverage.mismatches if self.coverage else None
        equal = self.mismatches == 0 and not unanswered
        return self.within_budget and equal and not self.no_better_than_chance
