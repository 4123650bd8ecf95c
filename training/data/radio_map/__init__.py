"""Radio maps: scans with labels or positions as a data set, whoever recorded them."""
