"""Layouts of weights and blocked forms of kernels: how a layer's C call is packed."""
