"""Back ends: whose kernels run a model. docs/backends.md compares them."""
