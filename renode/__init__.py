"""Files that Renode reads: a platform, a script and a robot test for each board."""
