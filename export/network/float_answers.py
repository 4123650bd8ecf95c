"""The answers of an own network before quantisation. The file lies in its bundle; of an integer network it is that."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Bundle
from tinyloc.export import parity
from tinyloc.export.errors import ExportError
from tinyloc.export.step_names import StepNames
from tinyloc.training.data.dataset import Recording
from tinyloc.training.decide import decide_scores
from tinyloc.training.models.crf import fixed_crf
from tinyloc.training.preprocess import model_input

FLOAT_FILE = "model_float.tflite"


def float_answers(
    path: Path, bundle: Bundle, recording: Recording
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Scores (N, C) and decisions (N,) of a recording, -1 where none is due.

    Args:
        path: FLOAT_FILE of the bundle.
        bundle: what surrounds the network.
        recording: N samples.

    Raises:
        ExportError: the file does not fit the bundle.
    """
    x = model_input(recording.rssi_dbm, bundle.preprocessing)
    names = StepNames(tuple(state.name for state in bundle.models[0].states))
    try:
        scores = parity.tflite_scores(path.read_bytes(), names, list(x[:, None]) if recording.apart else [x])
    except Exception as error:  # LiteRT raises almost anything on a damaged file
        raise ExportError(f"{path} is not the float file of its bundle ({error}); make the bundle again") from error
    if scores.shape != (len(x), len(bundle.outputs.classes)):
        raise ExportError(f"{path} gives scores of shape {list(scores.shape)}; make the bundle again")
    crf = None if bundle.crf is None else fixed_crf(bundle.crf)
    return scores, decide_scores(crf, list(scores[:, None]) if recording.apart else [scores], bundle.window)
