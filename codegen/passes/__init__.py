"""Graph rewrites: each a pure function graph -> graph, in the order of PASSES. The checker runs after each."""

import logging
from collections.abc import Callable

from tinyloc.codegen.graph import Graph, illegalities
from tinyloc.codegen.passes.activations import fuse_activations
from tinyloc.codegen.passes.constants import fold_constants
from tinyloc.codegen.passes.copy_scattered_views import copy_parts
from tinyloc.codegen.passes.dead_channels import drop_dead_channels
from tinyloc.codegen.passes.frames import fold_frames
from tinyloc.codegen.passes.identities import drop_dead, drop_identities
from tinyloc.codegen.passes.loops import fuse_loops
from tinyloc.codegen.passes.pointwise import convolve_rows
from tinyloc.codegen.passes.recurrent import keep_last_step
from tinyloc.codegen.passes.ring import use_rings
from tinyloc.codegen.passes.roll_windows import roll_windows
from tinyloc.codegen.passes.sparse import mark_sparse_input
from tinyloc.codegen.passes.tables import fold_tables

LOGGER = logging.getLogger(__name__)
Pass = Callable[[Graph], tuple[Graph, list[str]]]

PASSES: tuple[Pass, ...] = (
    roll_windows,
    convolve_rows,
    fold_constants,
    drop_identities,
    fuse_activations,
    fold_tables,
    drop_dead_channels,
    keep_last_step,
    copy_parts,
    use_rings,
    drop_dead,
    mark_sparse_input,
    fold_frames,
    fuse_loops,
)


def optimise(graph: Graph, sparse_input: bool = True, use_library: Pass | None = None) -> tuple[Graph, list[str]]:
    """Run all passes. Returns the graph and a line for each decision taken.

    `sparse_input`: whether the caller can give a single input as a list of entries, see passes/sparse.py.
    `use_library` gives operators to a library (codegen/backends), before the rest is fused.
    """
    decisions: list[str] = []
    at = PASSES.index(mark_sparse_input)
    for rewrite in (*PASSES[:at], *([use_library] if use_library else []), *PASSES[at:]):
        if rewrite is mark_sparse_input and not sparse_input:
            continue
        name = getattr(rewrite, "__name__", "use_library")
        graph, notes = rewrite(graph)
        problems = illegalities(graph)
        if problems:
            raise AssertionError(f"{name} made an illegal graph: {'; '.join(problems)}")
        for line in notes:
            LOGGER.debug("%s: %s", name, line)
        decisions += notes
    return graph, decisions
