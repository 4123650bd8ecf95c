"""Recipes: one TOML file says everything about a run. Unknown keys are errors; all problems are told at once."""

import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

from tinyloc.bundle.schema import Arithmetic, Budget, Build, Window
from tinyloc.names import FileName, OptionalLine, printable
from tinyloc.strict import Strict
from tinyloc.training.compress.settings import Compression
from tinyloc.training.data import catalogue
from tinyloc.training.distil.settings import Distillation
from tinyloc.training.errors import DataError, RecipeError
from tinyloc.training.models.settings import ModelSettings

RECIPES_DIR = Path(__file__).parent / "recipes"
PRESETS_DIR = Path(__file__).parent / "presets"
MOST_CANDIDATES = 8
ROUNDS = 40
"""A training whose length is in steps is validated so often, at most."""
PresetName = Literal["wifi-areas", "wifi-positions", "ble-rooms", "ble-positions"]
"""What was learnt on other data sets, as tables that a recipe is put over (training/presets)."""


class DataSettings(Strict):
    """[data]: The data set and the options of its loader."""

    name: str
    """As `tinyloc data list` shows it; "csv" for your own recordings."""
    path: str | None = None
    """File or folder of the data set. Without it, tinyloc searches the usual places."""
    options: dict[str, int | float] = Field(default_factory=dict)
    """Options of the loader, as listed for each data set."""

    @model_validator(mode="after")
    def _known(self) -> "DataSettings":
        try:
            problems = catalogue.check_options(self.name, self.options)
        except DataError as error:
            problems = [str(error)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class InputSettings(Strict):
    """[input]: How readings become model input. The scaling is fitted on the training data."""

    exponent: float = Field(default=1.0, ge=0.01, le=8)
    """Power of the scaled reading (0 to 1). Above 1, strong readings count more."""
    saturation: float = Field(default=1.0, ge=0.25, le=1)
    """Quantile of the training readings above which all count the same: bounds what one loud access point can do."""
    hold_s: float = Field(default=0.0, ge=0, le=50)
    """Forward fill: seconds for which a silent access point keeps its last reading."""
    drop_silent: bool = False
    """Leave out access points that no training recording hears. Indices then count the kept ones only."""


class WindowSettings(Strict):
    """[window]: When a decision is made."""

    steps: int = Field(default=1, ge=1, le=1000)
    """Samples that a decision looks at."""
    hop: int = Field(default=1, ge=1, le=1000)
    """Samples from one decision to the next, at most `steps`."""
    lag: int | None = Field(default=None, ge=1, le=1000)
    """Decide online. A decision is the class of the sample `lag` samples ago, on the best path through the recording
    so far. `steps` is then the length of the CRF windows in training."""

    def decisions(self, rate_hz: float) -> Window:
        """When and how decisions are made."""
        if self.lag is None:
            return Window(steps=self.steps, hop=self.hop, rate_hz=rate_hz)
        return Window(steps=self.lag + 1, hop=self.hop, rate_hz=rate_hz, online=True)


class OutputSettings(Strict):
    """[output]: The position of a decision, for classes that are places."""

    position: Literal["class", "mean"] = "class"
    """"class": where the class is. "mean": the mean of all classes' places, weighted by their squared probabilities."""
    power: float = Field(default=2.0, ge=0.25, le=8)
    """For "mean": power of the probabilities that training aims at. The device always squares; training scales the
    scores, so that their squares are this power."""
    unknown: bool = False
    """Choose on validation the margin below which the answer is "unknown"; silent scans are "unknown", too. For classes
    of single samples."""
    spread_m: float = Field(default=0.0, ge=0, le=1e6)
    """Spread training labels over the classes of the same group by a Gaussian with this standard deviation in m."""


class TrainingSettings(Strict):
    """[training]: The training loop."""

    epochs: int | None = Field(default=None, ge=1, le=1_000_000)
    """Passes over the training data. Give this or `steps`."""
    steps: int | None = Field(default=None, ge=1, le=10_000_000)
    """Optimiser steps: a length that does not depend on the size of the survey. Validated up to 40 times on the way."""
    refit: bool = False
    """Train on the validation split, too, once the settings are chosen, and keep the last weights: nothing is left to
    choose them by."""
    batch: int = Field(ge=1, le=1_000_000)
    """Samples (MLP) or chunks (sequence models) per batch."""
    learning_rate: float = Field(gt=0, le=1000)
    """Peak of the one-cycle schedule."""
    weight_decay: float = Field(default=0.01, ge=0, le=1000)
    """Weight decay of the AdamW optimiser."""
    patience: int = Field(default=1000, ge=1, le=1_000_000)
    """Stop after so many epochs without a better validation macro F1."""
    chunk: int = Field(default=1, ge=1, le=1_000_000)
    """Consecutive samples that a sequence model trains on; a multiple of `window.steps`."""
    chunks_per_epoch: int | None = Field(default=None, ge=1, le=1_000_000)
    """Chunks per epoch. Default: enough to cover the training recordings once."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Draw chunks of rare classes more often: with a probability by the frequency of their middle's class to minus this
    power. 0: as often as they are; 1: all classes alike."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay of a moving average of the weights, which is validated and kept. 0: keep the weights themselves."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability that is spread over the wrong classes."""
    position_loss: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the position loss: squared error, in units of its spread, of a linear head that only training has."""
    mean_loss: float = Field(default=0.0, ge=0, le=1e6)
    """For output.position = "mean": weight of the distance from the decided to the true position, in units of the
    positions' spread. It trains what counts."""
    input_bound: float | None = Field(default=None, gt=0, le=1e6)
    """MLP: largest norm of the weights of one access point in the first layer, which bounds what any one can do."""
    group_loss: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the cross-entropy of groups (floors). A group's probability is the sum over its classes."""
    score_penalty: float = Field(default=0.0, ge=0, le=1e6)
    """Weight of the mean square of the scores. Small scores are resolved better by 8 bits."""
    clip_norm: float = Field(default=1.0, gt=0, le=1e6)
    """Largest norm of the gradient."""

    def epochs_of(self, batches: int) -> int:
        """Epochs of so many batches."""
        return self.epochs or -(-(self.steps or 1) // batches)

    @model_validator(mode="after")
    def _one_length(self) -> "TrainingSettings":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give one of epochs and steps")
        return self


class Augmentation(Strict):
    """[augmentation]: Changes of readings in training. dB: Gaussian standard deviation. Rates are 0 to 1."""

    reading_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping each reading."""
    vary_dropout: bool = False
    """Draw the rate for each scan or chunk, uniform from 0 to twice reading_dropout (at most 0.95)."""
    access_point_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that an access point is silent for a whole chunk."""
    gain_db: float = Field(default=0.0, ge=0, le=200)
    """Shift of all readings of a scan or chunk together: another wearable or phone."""
    access_point_db: float = Field(default=0.0, ge=0, le=200)
    """Shift of each access point for a whole chunk: another day or heading."""
    noise_db: float = Field(default=0.0, ge=0, le=200)
    """Shift of each reading."""
    appear: float = Field(default=0.0, ge=0, le=100)
    """Mean number of access points that are heard where the survey did not hear them, at any level: others' routers."""
    move: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a heard access point stands elsewhere now: any level, for a whole chunk."""
    crowd_db: float = Field(default=0.0, ge=0, le=200)
    """Weaken the readings of a scan or chunk, each by 0 to 2 times a level that is uniform up to this: people."""
    between: float = Field(default=0.0, ge=0, le=1)
    """Probability that a scan becomes one between its place and a neighbouring one of the same floor: readings and
    position are means, the other's share is at most half. For models of one sample (training.chunk = 1)."""
    between_m: float = Field(default=15.0, gt=0, le=1e6)
    """Places farther apart than this have nothing between them."""
    deafness_db: float = Field(default=0.0, ge=0, le=200)
    """Drop the weakest readings of a scan or chunk: a less sensitive receiver. The threshold is uniform between the
    weakest reading of the training data and so many dB above it."""


WidthName = Literal["w4a8", "w8a8", "w4a16", "w8a16"]
"""Bits of the weights and of the activations."""


class ExportSettings(Strict):
    """[export]: Forms of the model to export."""

    arithmetics: list[Arithmetic] = Field(default=["int8", "int16x8"], min_length=1)
    """int8: 8-bit weights and activations. int16x8: 8-bit weights, 16-bit activations. mixed: by layer, see widths."""
    default: Arithmetic = "int8"
    """The form that is built when no other is asked for."""
    widths: dict[str, WidthName] = Field(default_factory=dict)
    """For mixed: layer pattern -> width, such as "blocks.*.scan" = "w8a16". The last pattern that matches holds; layers
    without one have w8a8."""

    @model_validator(mode="after")
    def _default_is_exported(self) -> "ExportSettings":
        if self.default not in self.arithmetics:
            raise ValueError(f"default = {self.default!r} is not among arithmetics = {self.arithmetics}")
        if ("mixed" in self.arithmetics) != bool(self.widths):
            raise ValueError(
                'the arithmetic "mixed" and the table [export.widths] belong together: add the one that is missing, or '
                "remove the other"
            )
        return self


_BUILD_CHOICES = {
    "optimise": {"Os": "size", "O2": "speed"},
    "reference": {"tinyloc": "a Mamba's scan is one operator", "litert": "as the file"},
}


class BuildSettings(Build):
    """[build]: Options of the C compiler and of code generation."""

    @field_validator("optimise", "reference", mode="before")
    @classmethod
    def _known(cls, value: object, info: ValidationInfo) -> object:
        known = _BUILD_CHOICES[str(info.field_name)]
        if value not in known:
            raise ValueError(f"{value!r} must be {' or '.join(f'{name!r} ({what})' for name, what in known.items())}")
        return value


SCORES_OF_8_BITS = {"int8", "mixed"}
"""Arithmetics of positions; `mixed` as far as its widths leave the scores 8 bits, which the compiler checks."""
CANDIDATE_TABLES = ("input", "output", "training", "augmentation")
"""What candidates may change: nothing that changes the size of the network."""


class Recipe(Strict):
    """A recipe describes one training."""

    name: FileName
    """Name of the recipe and of its run. Letters, digits, `.`, `_`, `-`."""
    title: OptionalLine = ""
    """One line for lists and reports."""
    preset: PresetName | None = None
    """Tables to start from: the recipe's own keys count where both have one."""
    seed: int = Field(default=1, ge=0, lt=2**32)
    """Seed of weights, batches and augmentation."""
    data: DataSettings
    input: InputSettings = InputSettings()
    window: WindowSettings = WindowSettings()
    model: ModelSettings
    output: OutputSettings = OutputSettings()
    training: TrainingSettings
    augmentation: Augmentation = Augmentation()
    distillation: Distillation | None = None
    compression: Compression = Compression()
    export: ExportSettings = ExportSettings()
    build: BuildSettings = BuildSettings()
    budget: Budget = Budget()
    candidates: dict[FileName, dict[str, Any]] = Field(default_factory=dict, max_length=MOST_CANDIDATES)
    """[candidates.NAME]: Changes of the tables above, of which training takes the best by validation, or none."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        problems = self._candidate_problems()
        steps, chunk = self.window.steps, self.training.chunk
        if chunk % steps:
            problems.append(f"training.chunk = {chunk} must be a multiple of window.steps = {steps}")
        if self.window.hop > steps:
            problems.append(f"window.hop = {self.window.hop} skips samples; use at most window.steps = {steps}")
        if self.window.lag is not None and not self.model.crf:
            problems.append("window.lag needs model.crf = true (it delays the path of the CRF)")
        if steps > 1 and not self.model.crf:
            problems.append(f"window.steps = {steps} needs model.crf = true (the decision of a window is its path)")
        if self.model.architecture == "mlp" and self.input.hold_s and steps == 1 and chunk > 1:
            problems.append("training.chunk must be 1 for a model of one sample")
        if self.output.position == "mean" and (steps > 1 or self.model.crf):
            problems.append("output.position = 'mean' works with models of one sample only (window.steps = 1)")
        if self.output.position != "mean" and (self.training.mean_loss or self.output.power != 2.0):
            problems.append("training.mean_loss and output.power work with output.position = 'mean' only")
        if self.augmentation.between and chunk > 1:
            problems.append("augmentation.between works with training.chunk = 1 only")
        if self.output.unknown and self.training.refit:
            problems.append("output.unknown is chosen on scans that no training saw: set training.refit = false")
        if self.output.unknown and (steps > 1 or self.output.position == "mean"):
            problems.append("output.unknown works with classes of single samples only (window.steps = 1)")
        if self.training.input_bound and self.model.architecture != "mlp":
            problems.append("training.input_bound works with model.architecture = 'mlp' only")
        wide = sorted(set(self.export.arithmetics) - SCORES_OF_8_BITS)
        if self.output.position == "mean" and wide:
            problems.append(
                f"output.position = 'mean' needs scores of 8 bits: take {', '.join(wide)} out of export.arithmetics "
                '(leave int8, or mixed with widths such as "*" = "w4a8")'
            )
        if self.output.spread_m and (self.model.crf or self.training.label_smoothing):
            problems.append("output.spread_m works without model.crf and label_smoothing only")
        problems += self.distillation.problems(self.model) if self.distillation else []
        problems += self.compression.problems(self.model)
        if self.training.position_loss and steps > 1:
            problems.append("training.position_loss works with models of one sample only (window.steps = 1)")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _candidate_problems(self) -> list[str]:
        problems = []
        for name, changes in self.candidates.items():
            strange = sorted(changes.keys() - set(CANDIDATE_TABLES))
            if strange:
                told = ", ".join(printable(table) for table in strange)
                problems.append(f"candidates.{name} changes {told}; candidates change {', '.join(CANDIDATE_TABLES)}")
                continue
            try:
                self.candidate(name)
            except ValidationError as error:
                problems += [f"candidates.{name}: {_problem(one)}" for one in error.errors()]
        return problems

    def candidate(self, name: str | None) -> "Recipe":
        """Make the recipe with the changes of a candidate, or with none; it has no preset and no candidates."""
        own = self.model_dump(exclude={"candidates", "preset"}, exclude_none=True)
        changes = self.candidates[name] if name is not None else {}
        return Recipe.model_validate(_over(own, changes))

    @property
    def deployed_model(self) -> ModelSettings:
        """`model`, with the hidden sizes that pruning leaves."""
        kept = self.compression.hidden_sizes
        if not kept:
            return self.model
        if self.model.architecture == "mlp":
            return self.model.model_copy(update={"hidden": kept})
        dense = self.model.hidden_sizes[0] if self.model.dense is None else self.model.dense
        return self.model.model_copy(update={"hidden": kept[0], "dense": dense})


def recipe_names() -> list[str]:
    """Names of the recipes that come with tinyloc, sorted."""
    return sorted(path.stem for path in RECIPES_DIR.glob("*.toml"))


def find_recipe(name: str) -> Path:
    """The file of a recipe: a name of `recipe_names`, or a path. RecipeError when there is neither."""
    path = Path(name)
    if path.is_file():
        return path
    if name in recipe_names():
        return RECIPES_DIR / f"{name}.toml"
    raise RecipeError(f"no recipe {name!r}: not a file, and the recipes of tinyloc are {', '.join(recipe_names())}")


def load_recipe(name: str | Path) -> Recipe:
    """Read and validate a recipe by name or path. RecipeError lists every problem."""
    path = find_recipe(str(name))
    try:
        return parse_recipe(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text ({error}); a recipe is a TOML file") from error


def parse_recipe(text: str, source: str) -> Recipe:
    """Validate the text of a recipe; `source` is named in the error."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML: {error}") from error
    try:
        return Recipe.model_validate(over_preset(content))
    except ValidationError as error:
        problems = [_problem(one) for one in error.errors()]
        raise RecipeError(f"{source}: {'; '.join(problems)}") from error


def over_preset(content: dict[str, Any]) -> dict[str, Any]:
    """Put a recipe's tables over those of the preset that it names. A length of its own replaces the preset's.

    Candidates of a preset were chosen with MLPs and may bound their first layer: other models have none of them.
    """
    name = content.get("preset")
    if name not in get_args(PresetName):  # the recipe's check says what is wrong
        return content
    base = tomllib.loads((PRESETS_DIR / f"{name}.toml").read_text(encoding="utf-8"))
    if isinstance(content.get("training"), dict) and "epochs" in content["training"]:
        base["training"].pop("steps")
    if isinstance(content.get("model"), dict) and content["model"].get("architecture") != "mlp":
        base.pop("candidates", None)
    return _over(base, content)


def _over(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    both = base.keys() & content.keys()
    tables = {key for key in both if isinstance(base[key], dict) and isinstance(content[key], dict)}
    return base | content | {key: _over(base[key], content[key]) for key in tables}


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "recipe"
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key (known here: {', '.join(_known_keys(error['loc'][:-1]))})"
    if error["type"] == "missing":
        return f"{place}: missing"
    return f"{place}: {str(error['msg']).removeprefix('Value error, ')}"


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """Keys of the table at `place`."""
    model: type[BaseModel] = Recipe
    for part in place:
        if isinstance(part, int):  # an entry of a list of tables
            continue
        annotation = model.model_fields[str(part)].annotation
        choices = [annotation, *getattr(annotation, "__args__", ())]
        model = next(choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel))
    return list(model.model_fields)
