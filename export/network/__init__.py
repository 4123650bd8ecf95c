"""A bundle from any network: a PyTorch module, an exported program, ONNX, float or integer TFLite."""
