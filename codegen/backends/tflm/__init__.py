"""Back end tflm: a harness for TensorFlow Lite for Microcontrollers."""
