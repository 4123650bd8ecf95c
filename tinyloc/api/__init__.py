"""The Python interface: recipes, runs, bundles, images and results as objects. It prints nothing."""
