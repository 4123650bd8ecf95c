"""One operator, one file: meaning, integer reference, C call."""
