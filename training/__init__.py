"""Data sets, models, recipes, training and metrics. Only the parts that train import torch."""
