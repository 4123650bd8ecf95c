"""PyTorch -> ONNX -> TFLite, parity checks, and the bundle that everything after training reads."""
