"""The quantiser: a float graph, ranges and widths in, an integer graph out. No TensorFlow.

rules       what each operator asks of the scales around it, as LiteRT's kernels demand
widths      how many bits weights and activations have, by layer pattern
ranges      least and greatest value of every tensor along whole recordings
check       all that cannot be quantised, at once, with what would help
edges       QUANTIZE where widths meet, or a prescribed scale meets another
groups      tensors that must share a scale
constants   weights, biases and other constants as integers
graph       the quantiser itself
refine      of a file without states: equalised layers and compensated biases, where they help
"""
