"""Ordinary small networks in tf_keras with random weights, as fully quantised TFLite.

Imports TensorFlow: for slow tests only.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

Array = npt.NDArray[Any]


def _ds_cnn() -> Any:
    """Keyword spotting: a convolution, depthwise-separable blocks, global average."""
    x = given = keras.Input((25, 10, 1))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, (10, 4), strides=2, padding="same")(x)))
    for _ in range(3):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((13, 5))(x))
    return keras.Model(given, layers.Dense(12, activation="softmax")(x))


def _residual_cnn() -> Any:
    """CIFAR-like ResNet: additions, strided shortcuts, max pooling."""
    x = given = keras.Input((16, 16, 3))
    x = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
    for filters, stride in ((8, 1), (12, 2), (16, 2)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", activation="relu")(x)
        y = layers.Conv2D(filters, 3, padding="same")(y)
        shortcut = x if stride == 1 else layers.Conv2D(filters, 1, strides=stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([y, shortcut]))
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _mobilenet() -> Any:
    """Wake words: explicit padding, relu6, inverted residuals, squeeze and excite with hard sigmoid-like gates."""
    x = given = keras.Input((32, 32, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="valid")(x))
    for filters, stride in ((8, 1), (12, 2), (12, 1)):
        y = layers.ReLU(6.0)(layers.Conv2D(3 * x.shape[-1], 1)(x))
        y = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, strides=stride, padding="same")(y))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(y.shape[-1], 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
        y = layers.Conv2D(filters, 1)(layers.Multiply()([y, gate]))
        x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y
    x = layers.Conv2D(24, 1)(x)
    x = layers.Multiply()([x, layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
    return keras.Model(given, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _autoencoder() -> Any:
    """Anomaly detection: fully connected all the way."""
    x = given = keras.Input((64,))
    for units in (32, 32, 8, 32, 32):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    return keras.Model(given, layers.Dense(64)(x))


def _conv_autoencoder() -> Any:
    """Down by strides, up by transposed convolutions, leaky and parametric activations, a concatenated skip."""
    x = given = keras.Input((12, 12, 2))
    down = layers.LeakyReLU(0.1)(layers.Conv2D(6, 3, strides=2, padding="same")(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(8, 3, strides=2, padding="same")(down))
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Concatenate()([x, down])
    return keras.Model(given, layers.Conv2DTranspose(2, 4, strides=2, padding="same", activation="tanh")(x))


def _temporal() -> Any:
    """Causal 1-D convolutions over time, two inputs and two outputs, parts taken by slicing."""
    first, second = keras.Input((24, 6)), keras.Input((6,))
    x = layers.Conv1D(8, 3, dilation_rate=1, padding="causal", activation="relu")(first)
    x = layers.Conv1D(8, 3, strides=2, padding="causal", activation="relu")(x)
    last = x[:, -1, :]
    both = layers.Concatenate()([last, layers.Dense(5, activation="tanh")(second)])
    halves = tf.split(layers.Dense(8)(both), 2, axis=-1)
    y = tf.maximum(halves[0], halves[1]) - tf.minimum(halves[0], 0.5 * halves[1])
    return keras.Model([first, second], [layers.Dense(4, activation="softmax")(y), layers.Dense(3)(last)])


MODELS: dict[str, Callable[[], Any]] = {
    "ds_cnn": _ds_cnn,
    "residual_cnn": _residual_cnn,
    "mobilenet": _mobilenet,
    "autoencoder": _autoencoder,
    "conv_autoencoder": _conv_autoencoder,
    "temporal": _temporal,
}


def _random_weights(model: Any, chance: np.random.Generator) -> None:
    """Also for the statistics of normalisation and for biases, which start at ones and zeros."""
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "variance" in weight.name or "gamma" in weight.name:
            weight.assign(chance.uniform(0.5, 1.5, shape))
        elif len(shape) < 2 or "alpha" in weight.name:
            weight.assign(chance.normal(0, 0.2, shape))
        else:  # so that the input still shows in the output of a deep network
            weight.assign(weight * 2.5)


def quantised(name: str, arithmetic: str, float_borders: bool = False, seed: int = 0) -> bytes:
    """A model as .tflite: `arithmetic` is int8 or int16x8; inputs and outputs are integers unless `float_borders`."""
    return converted(MODELS[name], arithmetic, float_borders, seed)


def converted(
    build: Callable[[], Any], arithmetic: str, float_borders: bool = False, seed: int = 0, dense_channels: bool = True
) -> bytes:
    """The same for any Keras model that `build` makes; its weights become random ones of that seed.

    `dense_channels`: whether fully connected layers have a scale a channel, or one scale as older converters wrote it.
    """
    keras.backend.clear_session()  # the converter is led astray by what an earlier model left behind
    keras.utils.set_random_seed(seed)
    chance = np.random.default_rng(seed)
    model = build()
    _random_weights(model, chance)
    shapes = [tuple(x.shape[1:]) for x in model.inputs]

    def samples() -> Any:
        for _ in range(50):
            yield [chance.normal(0, 1, (1, *shape)).astype(np.float32) for shape in shapes]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not dense_channels
    wide = arithmetic == "int16x8"
    operators = tf.lite.OpsSet
    converter.target_spec.supported_ops = [
        operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        if wide
        else operators.TFLITE_BUILTINS_INT8
    ]
    if not float_borders:
        converter.inference_input_type = converter.inference_output_type = tf.int16 if wide else tf.int8
    return bytes(converter.convert())


def names() -> Sequence[str]:
    """All models."""
    return list(MODELS)
