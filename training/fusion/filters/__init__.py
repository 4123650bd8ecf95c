"""Estimators of the fusion: Kalman filter, particle filter, trilateration, dead reckoning, and their rules."""
