"""Sizes, strides and padding of a convolution. NHWC, batch 1."""

from dataclasses import dataclass

from tinyloc.codegen.graph import Operator

SAME = 0


LARGEST = 65535
"""Largest number that a field of tl_conv_shape_t holds."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution; padding is what lies before the first row and column."""

    input: tuple[int, int, int]  # (H, W, C)
    output: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]

    @property
    def initialiser(self) -> str:
        """The fields of a tl_conv_shape_t in C."""
        numbers = (*self.input, *self.output, *self.kernel, *self.stride, *self.dilation, *self.padding)
        return f"{{{', '.join(str(n) for n in numbers)}}}"

    @property
    def text(self) -> str:
        """A tl_conv_shape_t in C."""
        return f"(tl_conv_shape_t){self.initialiser}"

    @property
    def declaration(self) -> str:
        """A statement that declares the tl_conv_shape_t `shape`."""
        return f"static const tl_conv_shape_t shape = {self.initialiser};"


def output_size(op: Operator, image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int]:
    """(H, W) of the output; `kernel` has H and W at 1 and 2. TFLite: ComputeOutSize."""
    sizes = []
    for i, axis in ((1, "h"), (2, "w")):
        stride, dilation = op.attributes[f"stride_{axis}"], op.attributes.get(f"dilation_{axis}", 1)
        reach = (kernel[i] - 1) * dilation + 1
        room = image[i] if op.attributes["padding"] == SAME else image[i] - reach + 1
        sizes.append(-(-room // stride))
    return sizes[0], sizes[1]


def geometry(op: Operator, x: tuple[int, ...], kernel: tuple[int, ...], y: tuple[int, ...]) -> Geometry:
    """Sizes and padding from the shapes of input, filter (H and W at 1 and 2) and output.

    A PAD that the convolution stands for as well adds to the padding, see passes/frames.py.
    """
    stride = (op.attributes["stride_h"], op.attributes["stride_w"])
    dilation = (op.attributes.get("dilation_h", 1), op.attributes.get("dilation_w", 1))
    padding, framed = list(op.attributes.get("border", (0, 0))), op.attributes.get("framed", x)
    if op.attributes["padding"] == SAME:
        for i in range(2):
            reach = (y[1 + i] - 1) * stride[i] + (kernel[1 + i] - 1) * dilation[i] + 1
            padding[i] += max(reach - framed[1 + i], 0) // 2
    return Geometry(
        (x[1], x[2], x[3]), (y[1], y[2], y[3]), (kernel[1], kernel[2]), stride, dilation, (padding[0], padding[1])
    )
