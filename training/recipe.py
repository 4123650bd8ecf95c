"""Recipes: one TOML file says everything about a run. Unknown keys are errors; all problems are told at once."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from tinyloc.bundle.schema import Arithmetic, Budget, Build, Window
from tinyloc.names import FileName, OptionalLine
from tinyloc.training.compress.settings import Compression
from tinyloc.training.data import catalogue
from tinyloc.training.distil.settings import Distillation
from tinyloc.training.errors import DataError, RecipeError
from tinyloc.training.models.settings import ModelSettings

RECIPES_DIR = Path(__file__).parent / "recipes"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Strict):
    """[data]: which data set, and the options of its loader."""

    name: str
    path: str | None = None
    """File or folder of a published data set; without it the usual places are searched."""
    options: dict[str, int | float] = {}

    @model_validator(mode="after")
    def _known(self) -> "DataSettings":
        try:
            problems = catalogue.check_options(self.name, self.options)
        except DataError as error:
            problems = [str(error)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class InputSettings(_Strict):
    """[input]: how readings become model input, beside the scaling that is fitted on the training data."""

    exponent: float = Field(default=1.0, gt=0, le=8)
    hold_s: float = Field(default=0.0, ge=0, le=50)
    """Forward fill: a silent access point keeps its last reading for so many seconds."""
    drop_silent: bool = False
    """Leave out access points that no training recording hears; indices then count the kept ones only."""


class WindowSettings(_Strict):
    """[window]: samples that a decision looks at, and samples from one decision to the next."""

    steps: int = Field(default=1, ge=1, le=1000)
    hop: int = Field(default=1, ge=1, le=1000)
    lag: int | None = Field(default=None, ge=1, le=1000)
    """Decide online: at each due sample the class of the one `lag` samples before it, on the best path through the
    recording so far. `steps` is then what training cuts its CRF windows to."""

    def decisions(self, rate_hz: float) -> Window:
        """When and how decisions are made."""
        if self.lag is None:
            return Window(steps=self.steps, hop=self.hop, rate_hz=rate_hz)
        return Window(steps=self.lag + 1, hop=self.hop, rate_hz=rate_hz, online=True)


class OutputSettings(_Strict):
    """[output]: what a decision says of the position, for classes that are places."""

    position: Literal["class", "mean"] = "class"
    """"class": where the class is. "mean": the mean of all classes' places, weighted by their squared probabilities."""
    spread_m: float = Field(default=0.0, ge=0)
    """Training labels are spread over the classes of the same group by a Gaussian of this standard deviation."""


class TrainingSettings(_Strict):
    """[training]: the loop."""

    epochs: int = Field(ge=1)
    batch: int = Field(ge=1)
    """Samples (MLP) or chunks (sequence models) a batch."""
    learning_rate: float = Field(gt=0)
    """Peak of the one-cycle schedule."""
    weight_decay: float = Field(default=0.01, ge=0)
    patience: int = Field(default=1000, ge=1)
    """Epochs without a better validation macro F1 after which training stops."""
    chunk: int = Field(default=1, ge=1)
    """Samples in a row of a recording that a sequence model trains on, a multiple of the window's steps."""
    chunks_per_epoch: int | None = Field(default=None, ge=1)
    """Default: as many as cover the training recordings once."""
    average: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is validated and kept; 0 = the weights themselves."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    position_loss: float = Field(default=0.0, ge=0)
    """Weight of the squared position error (in units of its spread) of a linear head that only training has."""
    group_loss: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy of the classes' groups (floors), whose probability is the sum of their classes'."""
    score_penalty: float = Field(default=0.0, ge=0)
    """Weight of the mean square of the scores: 8 bits resolve the likely classes better when the others are not far."""
    clip_norm: float = Field(default=1.0, gt=0)


class Augmentation(_Strict):
    """[augmentation]: what training does to readings. Gaussian standard deviations in dB; rates 0..1."""

    reading_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Each reading is dropped with this probability."""
    vary_dropout: bool = False
    """Draw the rate anew for each scan or chunk, uniform from 0 to twice reading_dropout (at most 0.95)."""
    access_point_dropout: float = Field(default=0.0, ge=0, lt=1)
    """A whole access point falls silent for a chunk with this probability."""
    gain_db: float = Field(default=0.0, ge=0)
    """All readings of a scan or chunk are shifted together: another wearable, another phone."""
    access_point_db: float = Field(default=0.0, ge=0)
    """Each access point is shifted for a whole chunk: another day, another heading."""
    noise_db: float = Field(default=0.0, ge=0)
    """Each reading is shifted."""
    deafness_db: float = Field(default=0.0, ge=0)
    """A scan or chunk loses its weakest readings, those below a threshold drawn anew, uniform from the weakest of
    training to so many dB above it: a less sensitive receiver."""


class ExportSettings(_Strict):
    """[export]: arithmetics to export, and the one that is built when none is asked for."""

    arithmetics: list[Arithmetic] = Field(default=["int8", "int16x8"], min_length=1)
    default: Arithmetic = "int8"

    @model_validator(mode="after")
    def _default_is_exported(self) -> "ExportSettings":
        if self.default not in self.arithmetics:
            raise ValueError(f"default = {self.default!r} is not among arithmetics = {self.arithmetics}")
        return self


_BUILD_CHOICES = {
    "optimise": {"Os": "size", "O2": "speed"},
    "reference": {"tinyloc": "a Mamba's scan is one operator", "litert": "as the file"},
}


class BuildSettings(Build):
    """[build]: what the compiler optimises for, and whose integer arithmetic it keeps to (docs/compiler.md)."""

    @field_validator("optimise", "reference", mode="before")
    @classmethod
    def _known(cls, value: object, info: ValidationInfo) -> object:
        known = _BUILD_CHOICES[str(info.field_name)]
        if value not in known:
            raise ValueError(f"{value!r} must be {' or '.join(f'{name!r} ({what})' for name, what in known.items())}")
        return value


class Recipe(_Strict):
    """A whole recipe."""

    name: FileName
    title: OptionalLine = ""
    seed: int = Field(default=1, ge=0)
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

    @model_validator(mode="after")
    def _fits_together(self) -> "Recipe":
        problems = []
        steps, chunk = self.window.steps, self.training.chunk
        if chunk % steps:
            problems.append(f"training.chunk = {chunk} must be a multiple of window.steps = {steps}")
        if self.window.hop > steps:
            problems.append(f"window.hop = {self.window.hop} skips samples; use at most window.steps = {steps}")
        if self.window.lag is not None and not self.model.crf:
            problems.append("window.lag needs model.crf = true (it delays the path of the CRF)")
        if self.model.crf and steps == 1:
            problems.append("model.crf needs windows of more than one sample (window.steps)")
        if steps > 1 and not self.model.crf:
            problems.append(f"window.steps = {steps} needs model.crf = true (the decision of a window is its path)")
        if self.model.architecture == "mlp" and self.input.hold_s and steps == 1 and chunk > 1:
            problems.append("training.chunk must be 1 for a model of one sample")
        if self.output.position == "mean" and (steps > 1 or self.model.crf):
            problems.append("output.position = 'mean' works with models of one sample only (window.steps = 1)")
        if self.output.position == "mean" and self.export.arithmetics != ["int8"]:
            problems.append("output.position = 'mean' needs export.arithmetics = ['int8']")
        if self.output.spread_m and (self.model.crf or self.training.label_smoothing):
            problems.append("output.spread_m works without model.crf and label_smoothing only")
        problems += self.distillation.problems(self.model) if self.distillation else []
        problems += self.compression.problems(self.model)
        if self.training.position_loss and steps > 1:
            problems.append("training.position_loss works with models of one sample only (window.steps = 1)")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def deployed_model(self) -> ModelSettings:
        """`model`, with the hidden sizes that pruning leaves."""
        kept = self.compression.hidden_sizes
        return self.model.model_copy(update={"hidden": kept}) if kept else self.model


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
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = [_problem(one) for one in error.errors()]
        raise RecipeError(f"{source}: {'; '.join(problems)}") from error


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
