"""From an optimised graph to C: tensor placement, memory plan, kernel selection, rendering."""
