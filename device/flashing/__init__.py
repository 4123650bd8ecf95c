"""Write an image to a connected board."""
