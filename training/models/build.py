"""From settings to a model."""

from tinyloc.training.models.gru import GruLocaliser
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.lstm import LstmLocaliser
from tinyloc.training.models.mamba import MambaLocaliser
from tinyloc.training.models.mdcsa import MdcsaLocaliser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.settings import ModelSettings

ARCHITECTURES: dict[str, type[Localiser]] = {
    "gru": GruLocaliser,
    "lstm": LstmLocaliser,
    "mamba": MambaLocaliser,
    "mdcsa": MdcsaLocaliser,
    "mlp": MlpLocaliser,
}


def build_model(settings: ModelSettings, inputs: int, classes: int) -> Localiser:
    """A new model with initial weights from torch's random state. `inputs` access points, `classes` areas or rooms."""
    return ARCHITECTURES[settings.architecture](settings, inputs, classes)
