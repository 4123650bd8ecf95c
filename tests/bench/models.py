"""Networks of the kinds that MLPerf Tiny measures, with random weights of a fixed seed, as int8 .tflite.

They end in logits and take a batch of one, and fully connected layers have one scale, so that other ahead-of-time
compilers can read them and use their best kernels. Imports TensorFlow.
"""

from collections.abc import Callable
from typing import Any

from tf_keras import Input, Model, layers

from tests.codegen.keras_models import converted


def _normalised(x: Any, layer: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(layer(x)))


def _logits(x: Any, classes: int) -> Any:
    """The last layer as a convolution of one pixel: the peer refuses what the converter makes of Flatten."""
    return layers.Conv2D(classes, 1)(x)


def autoencoder() -> Any:
    """Anomaly detection: 640-128-128-128-128-8-128-128-128-128-640, fully connected."""
    x = given = Input((640,), batch_size=1)
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = _normalised(x, layers.Dense(units))
    return Model(given, layers.Dense(640)(x))


def keyword_spotting() -> Any:
    """Depthwise-separable CNN on 49 x 10 spectra: 64 channels, four blocks, 12 words."""
    x = given = Input((49, 10, 1), batch_size=1)
    x = _normalised(x, layers.Conv2D(64, (10, 4), strides=2, padding="same", use_bias=False))
    for _ in range(4):
        x = _normalised(x, layers.DepthwiseConv2D(3, padding="same", use_bias=False))
        x = _normalised(x, layers.Conv2D(64, 1, use_bias=False))
    return Model(given, _logits(layers.AveragePooling2D((25, 5))(x), 12))


def residual() -> Any:
    """Images of 32 x 32: three stages of one residual block with 16, 32 and 64 channels, 10 classes."""
    x = given = Input((32, 32, 3), batch_size=1)
    x = _normalised(x, layers.Conv2D(16, 3, padding="same"))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = _normalised(x, layers.Conv2D(filters, 3, strides=stride, padding="same"))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        shortcut = x if stride == 1 else layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([y, shortcut]))
    return Model(given, _logits(layers.AveragePooling2D(8)(x), 10))


def wake_words() -> Any:
    """MobileNet v1 of width 0.25 on 96 x 96 x 3: person or none."""
    x = given = Input((96, 96, 3), batch_size=1)
    x = _normalised(x, layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False))
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))
    for filters, stride in blocks:
        x = _normalised(x, layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False))
        x = _normalised(x, layers.Conv2D(filters, 1, use_bias=False))
    return Model(given, _logits(layers.AveragePooling2D(3)(x), 2))


def lstm() -> Any:
    """A fused LSTM over 16 steps of 32 values, 64 units, 32 outputs: 26,912 parameters."""
    given = Input((16, 32), batch_size=1)
    return Model(given, layers.Dense(32)(layers.LSTM(64)(given)))


MODELS: dict[str, Callable[[], Any]] = {
    "fc-autoencoder": autoencoder,
    "ds-cnn": keyword_spotting,
    "resnet": residual,
    "mobilenet": wake_words,
    "lstm": lstm,
}


def content(name: str) -> bytes:
    """The .tflite of a model."""
    return converted(MODELS[name], "int8", dense_channels=False)
