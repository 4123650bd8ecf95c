"""From settings to a model."""

from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.mamba import MambaLocaliser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.settings import ModelSettings

ARCHITECTURES: dict[str, type[Localiser]] = {"mamba": MambaLocaliser, "mlp": MlpLocaliser}


def build_model(settings: ModelSettings, inputs: int, classes: int) -> Localiser:
    """A new model with initial weights from torch's random state. `inputs` access points, `classes` areas or rooms."""
    return ARCHITECTURES[settings.architecture](settings, inputs, classes)
