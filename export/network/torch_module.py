"""A PyTorch module of your own as ONNX, with what PyTorch would let pass met by name."""

import inspect
import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.step_names import StepNames
from tinyloc.export.to_onnx import OPSET, write_onnx
from tinyloc.names import printable
from tinyloc.training.models.own_class import build_own

SHOWN = 5
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
TRACER_WARNING: type[Warning] = torch.jit.TracerWarning  # type: ignore[attr-defined]


def load_class(name: str, arguments: Mapping[str, Any], weights: Path | None) -> nn.Module:
    """Build `module:Class` with these arguments and load its state dict, tensors only.

    Raises:
        OwnClassError: no such class, or arguments that it does not take.
        ExportError: no network, or weights that are not its state dict.
    """
    model = build_own(name, arguments)
    if not isinstance(model, nn.Module):
        raise ExportError(f"{name} makes a {type(model).__name__}, not a torch.nn.Module")
    if weights is not None:
        _load_weights(model, weights)
    return model


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # torch raises UnpicklingError, RuntimeError and more
        raise ExportError(
            f"{path} holds more than tensors, or is damaged; a pickle may run any code, so it is not unpickled. Save "
            "torch.save(model.state_dict(), FILE) where you trust it"
        ) from error
    if not isinstance(content, Mapping):
        raise ExportError(f"{path} holds a {type(content).__name__}; save torch.save(model.state_dict(), FILE)")
    try:
        model.load_state_dict(dict(content))
    except (RuntimeError, AttributeError, KeyError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ExportError(f"{path} does not fit {type(model).__name__}: {' '.join(lines)[:600]}") from error


def load_program(path: Path) -> nn.Module:
    """An exported program (.pt2) as a module; archives with pickles other than tensors are refused.

    Raises:
        ExportError: it cannot be read, or it would unpickle more than tensors.
    """
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wrong = _pickles(archive)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, ValueError, KeyError) as error:
        raise ExportError(f"{path} is no exported program ({error}); save it with torch.export.save") from error
    if wrong:
        raise ExportError(
            f"{path}: {', '.join(map(printable, wrong[:SHOWN]))} would be unpickled, which may run any code. Export "
            "the model without example inputs and constants other than tensors"
        )
    try:
        program = torch.export.load(io.BytesIO(content)).module(check_guards=False)
        vars(program).update(train=lambda mode=True: program, eval=lambda: program)  # its own refuse to be called
        return program
    except Exception as error:  # whatever a damaged archive raises
        raise ExportError(f"{path} is no exported program of this torch ({error}); export it again") from error


def _pickles(archive: zipfile.ZipFile) -> list[str]:
    """Members that torch.export.load would unpickle without `weights_only`."""
    wrong = []
    for name in archive.namelist():
        if name.endswith("_config.json"):
            entries = json.loads(archive.read(name)).get("config", {})
            wrong += [f"{key} in {name}" for key, entry in entries.items() if entry.get("use_pickle")]
        elif name.endswith(".pt"):
            try:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            except Exception:  # what is no pickle of tensors
                wrong.append(name)
        elif "custom_obj" in name:
            wrong.append(name)
    return wrong


class Plain(nn.Module):
    """A module whose outputs are one flat tuple: scores, then states, in whatever nesting they are returned."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The inner module's inputs -> all tensors that it returns, in their order."""
        return tuple(_flat(self.inner(*inputs)))


def _flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in _flat(part)]
    if isinstance(value, Mapping):
        raise ExportError(f"the network returns a dictionary ({', '.join(map(str, value))}); return the scores alone")
    raise ExportError(f"the network returns a {type(value).__name__}; return the scores, then the states")


def check_finite(model: nn.Module) -> None:
    """Raise ExportError with every parameter that holds NaN or infinity."""
    bad = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if bad:
        raise ExportError(
            f"{counted(len(bad), 'parameter')} with NaN or infinity: {', '.join(bad[:SHOWN])}; train again with a "
            "lower learning rate"
        )


def module_to_onnx(model: nn.Module, inputs: Sequence[Sequence[int]], states: Sequence[str], path: Path) -> None:
    """Write a module to `path` with the names of a step.

    Args:
        model: takes a tensor for each shape of `inputs`, returns scores and then the states.
        inputs: shapes of the reading and of each state.
        states: names of the states.
        path: of the ONNX file.

    Raises:
        ExportError: control flow that depends on values, operators without ONNX form, states that are kept inside or
            not returned, another number or shape of outputs, parameters that are no numbers.
    """
    check_finite(model)
    names = StepNames(tuple(states))
    plain = Plain(model).eval()
    arguments = tuple(torch.zeros(*shape) for shape in inputs)
    _check_run(model, plain, arguments, names)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            with torch.no_grad():
                torch.jit.trace(plain, arguments, check_trace=False)  # type: ignore[no-untyped-call]
        except Exception as error:  # a stranger's forward
            raise ExportError(f"{type(model).__name__} cannot be traced: {_first_line(error)}") from error
    inside = str(Path(torch.__file__).parent)  # checks of torch's own, such as those of an exported program
    branches = [w for w in told if issubclass(w.category, TRACER_WARNING) and not w.filename.startswith(inside)]
    if branches:
        where = sorted({f"{w.filename}, line {w.lineno}" for w in branches})
        raise ExportError(
            f"{type(model).__name__} decides by values of tensors ({'; '.join(where[:SHOWN])}): a device runs one "
            "fixed graph. Use torch.where or arithmetic in place of if, int() and loops over values"
        )
    try:
        write_onnx(plain, arguments, names, path)
    except Exception as error:
        raise ExportError(_unsupported(plain, arguments, error)) from error


def _check_run(model: nn.Module, plain: Plain, arguments: tuple[Tensor, ...], names: StepNames) -> None:
    """Run once: outputs as many and of the shapes that the states have, nothing kept inside the module."""
    before = _kept(model)
    try:
        with torch.no_grad():
            found = plain(*arguments)
    except ExportError:
        raise
    except Exception as error:  # a stranger's forward
        shapes = ", ".join(str(list(a.shape)) for a in arguments)
        raise ExportError(
            f"{type(model).__name__} does not take {shapes}: {_first_line(error)}. {_several(model, len(arguments))}"
            "Set input.samples and input.order for a window, network.states for a step"
        ) from error
    changed = [name for name, value in _kept(model).items() if before.get(name) != value]
    problems = []
    if changed:
        problems.append(
            f"{', '.join(changed[:SHOWN])} changed while it ran: a state that the graph does not return is lost on a "
            "device. Take it as an input, return it after the scores, and list it in network.states"
        )
    if len(found) != len(names.outputs):
        shapes = ", ".join(str(list(f.shape)) for f in found)
        problems.append(
            f"{type(model).__name__} returns {counted(len(found), 'tensor')} ({shapes}); "
            f"{counted(len(names.outputs), 'is', 'are')} expected: {', '.join(names.outputs)}. Return the scores "
            "first; list the others in network.states if they are states, else leave them out of forward"
        )
    else:
        for name, given, returned in zip(names.states, arguments[1:], found[1:], strict=True):
            if given.shape != returned.shape:
                problems.append(f"state {name} is taken as {list(given.shape)} and returned as {list(returned.shape)}")
    if problems:
        raise ExportError("; ".join(problems))


def _kept(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Tensors that a module holds, parameters apart: (identity, version) by path."""
    found = {}
    for path, module in model.named_modules():
        inside = {**module._buffers, **{k: v for k, v in vars(module).items() if isinstance(v, Tensor)}}
        for name, value in inside.items():
            if isinstance(value, Tensor):
                found[f"{path}.{name}" if path else name] = (id(value), value._version)
    return found


def _several(model: nn.Module, given: int) -> str:
    """Say that a forward wants more inputs than it gets, empty where it does not."""
    parameters = inspect.signature(model.forward).parameters.values()
    wanted = [each.name for each in parameters if each.default is each.empty and each.kind in POSITIONAL]
    if len(wanted) <= given:
        return ""
    names = ", ".join(wanted)
    return f"Its forward has {len(wanted)} inputs ({names}): the first is the scan, the others must be states. "


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:400]


def _unsupported(plain: Plain, arguments: tuple[Tensor, ...], error: Exception) -> str:
    """What the exporter does not know, with the modules that use it."""
    found = re.search(r"operator '?([\w:]+)'?", str(error))
    if found is None:
        return f"the ONNX exporter refuses the network: {_first_line(error)}"
    kind = found[1]
    kind = kind if "::" in kind else f"aten::{kind}"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(plain, arguments, check_trace=False)  # type: ignore[no-untyped-call]
    paths = {
        ".".join(part.split(".", 1)[-1] for part in [node.scopeName().rpartition("/")[2]]) or "the network itself"
        for node in traced.inlined_graph.nodes()
        if node.kind().replace("::special_", "::") == kind.replace("::special_", "::")  # its message leaves that away
    }
    where = ", ".join(sorted(path.removeprefix("__module.").removeprefix("inner.") for path in paths)) or "the network"
    return (
        f"operator {kind.removeprefix('aten::')} in {where} has no form in ONNX opset {OPSET}; write it with operators "
        "of docs/reference/operators.md"
    )
