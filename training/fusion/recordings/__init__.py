"""Recordings of ranges: published data sets and a user's own."""
