"""From a .tflite file to a checked graph."""
