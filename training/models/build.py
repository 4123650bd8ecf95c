"""From settings to a model."""

from tinyloc.training.models.gru import GruLocaliser
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.lstm import LstmLocaliser
from tinyloc.training.models.mamba import MambaLocaliser
from tinyloc.training.models.mdcsa import MdcsaLocaliser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.own import own_localiser
from tinyloc.training.models.settings import ModelSettings

ARCHITECTURES: dict[str, type[Localiser]] = {
    "gru": GruLocaliser,
    "lstm": LstmLocaliser,
    "mamba": MambaLocaliser,
    "mdcsa": MdcsaLocaliser,
    "mlp": MlpLocaliser,
}


def build_model(settings: ModelSettings, inputs: int, classes: int) -> Localiser:
    """Build a model with initial weights from torch's random state.

    Args:
        settings: architecture and sizes.
        inputs: P, access points.
        classes: C, areas or rooms.

    Raises:
        UserError: a class of the user's that cannot be found or built.
    """
    if settings.own:
        return own_localiser(settings, inputs, classes)
    return ARCHITECTURES[settings.architecture](settings, inputs, classes)
