"""The evaluation protocol: figures, their intervals, and the simple methods that every model is compared with.

Its version is `tinyloc.bundle.comparison.EVALUATION`: whoever changes a rule here raises it. Needs no torch.
"""
