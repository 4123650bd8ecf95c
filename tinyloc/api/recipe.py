"""A recipe as an object: `Recipe.load("uji-mlp").train()`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyloc.api.notebook import table
from tinyloc.api.progress import Shown, shown
from tinyloc.api.run_layout import new_run
from tinyloc.training import recipe as recipes

if TYPE_CHECKING:
    from tinyloc.api.run import Run
    from tinyloc.training.train import EpochDone

RUNS_DIR = Path("runs")


@dataclass(frozen=True)
class Recipe:
    """One training as data.

    Attributes:
        settings: All keys of the recipe (docs/reference/recipe.md).
    """

    settings: recipes.Recipe

    @classmethod
    def load(cls, name: str | Path) -> "Recipe":
        """Load a recipe.

        Args:
            name: Of a recipe that comes with tinyloc (`Recipe.names()`), or a TOML file.

        Returns:
            The recipe.

        Raises:
            RecipeError: There is none, or it has wrong keys; all problems at once.
        """
        return cls(recipes.load_recipe(name))

    @classmethod
    def parse(cls, text: str) -> "Recipe":
        """Make a recipe of TOML text. Raises RecipeError with every problem."""
        return cls(recipes.parse_recipe(text, "recipe"))

    @staticmethod
    def names() -> list[str]:
        """List the recipes that come with tinyloc."""
        return recipes.recipe_names()

    @property
    def name(self) -> str:
        """Name of the recipe and, by default, of its run."""
        return self.settings.name

    def changed(self, **tables: Any) -> "Recipe":
        """Return the recipe with other values.

        Args:
            tables: Values by top-level key; a dictionary changes the keys that it names, as in
                `recipe.changed(seed=4, training={"epochs": 12})`.

        Returns:
            A new recipe.

        Raises:
            RecipeError: The values do not fit.
        """
        content = self.settings.model_dump(mode="json", exclude_none=True)
        for key, value in tables.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        import tomli_w

        return self.parse(tomli_w.dumps(content))

    def train(
        self,
        directory: str | Path | None = None,
        *,
        data: str | Path | None = None,
        fresh: bool = False,
        progress: Shown = None,
    ) -> "Run":
        """Train the model.

        Args:
            directory: Of the run. Default: `runs/NAME`. A finished run there is replaced at the very end.
            data: File or folder of the data set. Default: the usual places.
            fresh: Start again in place of continuing an interrupted training.
            progress: "bar", or a function of (stage, epochs done, epochs in all).

        Returns:
            The finished run.

        Raises:
            DataError: Missing or damaged data.
            TrainingError: The recipe does not fit the data, or the loss diverges.
        """
        from tinyloc.api.run import Run
        from tinyloc.integer_training.tuner import INTEGERS
        from tinyloc.training.run import train

        place = new_run(self.name, RUNS_DIR) if directory is None else Path(directory)
        with shown(progress) as show:

            def epoch(done: "EpochDone") -> None:
                show(done.stage, done.epoch, done.epochs)

            path = None if data is None else Path(data)
            train(self.settings, place, epoch, data_path=path, fresh=fresh, tuner=INTEGERS)
        return Run.open(place)

    def _repr_html_(self) -> str:
        settings = self.settings
        rows = [("data", settings.data.name), ("model", f"{settings.model.architecture} {settings.model.hidden}"),
                ("epochs", settings.training.epochs), ("forms", ", ".join(settings.export.arithmetics))]  # fmt: skip
        return table(f"Recipe {self.name}", [*rows, *([("title", settings.title)] if settings.title else [])])
