"""UWB ranges and dead reckoning fused by a Kalman filter whose covariance a small network steers.

Letters: B walks, N epochs of ranging, A anchors, M inertial samples, K epochs of history. Metres, seconds, radians;
headings count counter-clockwise from +x.
"""
