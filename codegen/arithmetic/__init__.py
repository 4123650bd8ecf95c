"""Fixed-point arithmetic of the kernels, as NumPy and as bounds: what operators and kernel forms share."""
