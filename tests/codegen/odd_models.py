"""Keras models as people write them, of layers that the networks of keras_models.py do not have. Imports TensorFlow."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tf_keras import layers


def _dilated() -> Any:
    x = given = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(8, 3, dilation_rate=(2, 3), padding="valid")(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x)
    return keras.Model(given, layers.Conv2D(3, 1)(x))


def _separable_over_time() -> Any:
    x = given = keras.Input((32, 6))
    x = layers.SeparableConv1D(12, 5, padding="same", activation="relu")(x)
    x = layers.SeparableConv1D(10, 3, strides=2, depth_multiplier=2)(x)
    return keras.Model(given, layers.Dense(4, activation="softmax")(layers.GlobalMaxPooling1D()(x)))


def _largest_and_mean() -> Any:
    x = given = keras.Input((9, 7, 4))
    x = layers.Conv2D(8, (3, 2), strides=(2, 1), activation="relu6")(x)
    both = [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    return keras.Model(given, layers.Dense(5)(layers.Concatenate()(both)))


def _causal_stack() -> Any:
    x = given = keras.Input((40, 5))
    for dilation in (1, 2, 4):
        y = layers.Conv1D(8, 3, dilation_rate=dilation, padding="causal", activation="relu")(x)
        y = layers.Conv1D(8, 1)(y)
        x = layers.Add()([y, x]) if x.shape[-1] == 8 else y
    x = layers.MaxPooling1D(2)(layers.AveragePooling1D(4)(x))
    return keras.Model(given, layers.Dense(3)(layers.Flatten()(x)))


def _dense_blocks() -> Any:
    x = given = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    for _ in range(2):
        x = layers.Concatenate()([x, layers.Conv2D(8, 3, padding="same", activation="relu")(x)])
    x = layers.LeakyReLU(0.2)(layers.Conv2D(8, 3, strides=3)(x))
    return keras.Model(given, layers.Dense(6, activation="softmax")(layers.Flatten()(x)))


def _attention() -> Any:
    x = given = keras.Input((10, 8))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))
    x = layers.Add()([x, y])
    return keras.Model(given, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def _gru() -> Any:
    x = given = keras.Input((6, 5))
    x = layers.GRU(8, unroll=True, return_sequences=True)(x)
    return keras.Model(given, layers.Dense(3, activation="softmax")(layers.GRU(6, unroll=True)(x)))


def _lstm() -> Any:
    x = given = keras.Input((5, 4))
    return keras.Model(given, layers.Dense(3)(layers.LSTM(8, unroll=True)(x)))


def _both_directions() -> Any:
    x = given = keras.Input((5, 4))
    x = layers.Bidirectional(layers.LSTM(6, unroll=True, return_sequences=True))(x)
    return keras.Model(given, layers.Dense(3)(x))


def _upsampling() -> Any:
    x = given = keras.Input((6, 5, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="swish")(layers.UpSampling2D(2)(x))
    x = layers.UpSampling2D((2, 3), interpolation="bilinear")(x)
    x = layers.Conv2DTranspose(3, (3, 2), strides=(1, 2), padding="valid", use_bias=False)(x)
    return keras.Model(given, layers.Cropping2D(((1, 2), (0, 1)))(x))


def _squeeze_and_excite() -> Any:
    def hard_swish(x: Any) -> Any:
        return x * tf.nn.relu6(x + 3.0) / 6.0

    x = given = keras.Input((16, 16, 4))
    x = hard_swish(layers.Conv2D(12, 3, strides=2, padding="same")(x))
    gate = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(x))
    gate = layers.Dense(12, activation="hard_sigmoid")(gate)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 12))(gate)])
    x = hard_swish(layers.DepthwiseConv2D(5, strides=2, padding="same")(x))
    return keras.Model(given, layers.Dense(4)(layers.Flatten()(x)))


def _prelu() -> Any:
    x = given = keras.Input((8, 8, 3))
    x = layers.PReLU()(layers.Conv2D(6, 3)(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 3)(x))
    x = layers.PReLU()(layers.Dense(7)(layers.Flatten()(x)))
    return keras.Model(given, layers.Dense(4, activation="softmax")(x))


def _groups_and_transposed() -> Any:
    x = given = keras.Input((10, 10, 6))
    x = layers.Conv2D(12, 3, groups=3, padding="same", activation="relu")(x)
    x = layers.Conv2D(12, 3, groups=12, padding="same")(x)
    x = layers.Conv2D(8, 1, groups=4, strides=2)(x)
    return keras.Model(given, layers.Conv2DTranspose(6, 4, strides=2, padding="same", activation="relu6")(x))


def _rearranged() -> Any:
    x = given = keras.Input((6, 4))
    y = tf.stack(tf.unstack(x, axis=1)[::-1], axis=1)
    y = tf.gather(tf.concat([y, x[:, 1:3]], axis=1), [0, 3, 5, 7], axis=1)
    y = tf.clip_by_value(y, -0.5, 0.7) + tf.minimum(y, 0.0) * 0.3
    return keras.Model(given, layers.Dense(2)(layers.Reshape((8, 2))(y)))


ODD: dict[str, Callable[[], Any]] = {
    "dilated": _dilated,
    "separable over time": _separable_over_time,
    "largest and mean": _largest_and_mean,
    "causal stack": _causal_stack,
    "dense blocks": _dense_blocks,
    "attention": _attention,
    "gru": _gru,
    "lstm": _lstm,
    "both directions": _both_directions,
    "upsampling": _upsampling,
    "squeeze and excite": _squeeze_and_excite,
    "prelu": _prelu,
    "groups and transposed": _groups_and_transposed,
    "rearranged": _rearranged,
}
NOT_IN_16_BITS = {
    "attention": "LiteRT has no SQUARED_DIFFERENCE of int16",
    "squeeze and excite": "the converter has no HARD_SWISH of int16",
    "prelu": "the converter has no PRELU of int16",
}
UNKNOWN_TO_LITERT = {"both directions"}
"""They have an operator (REVERSE_V2) in a version that LiteRT does not run: the NumPy reference is asked alone."""
