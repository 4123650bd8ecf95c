"""Back end cmsis_nn: calls of Arm's CMSIS-NN."""
