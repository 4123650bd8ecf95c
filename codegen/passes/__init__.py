"""Graph rewrites: each a pure function graph -> graph."""
