"""A survey of a home in the browser, and a model at work there: sources of readings, recorder, guidance, page."""
