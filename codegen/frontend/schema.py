"""The TFLite schema as the package tflite reads it, taken from its submodules.

ai-edge-litert 2.1.2 installs an empty tflite/__init__.py over the package's own, so nothing may be read from there.
"""

import importlib
from typing import Any

from tflite.ActivationFunctionType import ActivationFunctionType
from tflite.BuiltinOperator import BuiltinOperator
from tflite.Model import Model
from tflite.TensorType import TensorType

__all__ = ["ActivationFunctionType", "BuiltinOperator", "Model", "TensorType", "options_table"]


def options_table(name: str) -> Any:
    """Return an empty table of that name, such as "Conv2DOptions", to be initialised with bytes and a place."""
    return getattr(importlib.import_module(f"tflite.{name}"), name)()
