"""Back ends: whose kernels run a model. docs/reference/backends.md compares them."""
