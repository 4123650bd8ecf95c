"""Train with the exported integers in the loop: the export's float graph and quantiser, and the compiler's integers.

absorbed      models written so that each exported matrix is one matrix of theirs
float_step    the float graph of a step, its constants as functions of the model's parameters
program       the order of its operators: what is computed for all samples at once, what sample by sample
surrogates    what each operator means in real numbers, for gradients
execution     both: integers from the compiler's reference, gradients from the surrogates
twin          a localiser whose scores are those of its integer file
rounding      adaptive rounding of the weights
tuner         what training asks for
"""
