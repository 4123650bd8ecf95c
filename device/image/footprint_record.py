"""What an image takes: bytes of flash and RAM by what takes them."""

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ram(_Strict):
    """Bytes of RAM by what takes them, each from the place that knows it."""

    arena: int  # memory plan
    state: int  # sizeof the model's state struct; 0 for a model that carries nothing from sample to sample
    stack: int  # painted stack high-water mark, measured
    static: int  # .data + .bss without arena, state and localiser
    total: int
    localiser: int = 0  # the localiser's own buffers: heard access points, held readings, ring of scores
    stack_reserved: int | None = None  # what the linker script keeps for the stack; not part of the total
    stack_bound: int | None = None  # the deepest chain of calls, from the build; not part of the total


class Flash(_Strict):
    """Bytes of flash by what takes them, from the ELF's symbols."""

    weights: int  # constants of the model
    kernels: int  # generated code and inlined kernels
    localise: int
    link: int
    app: int  # application and port
    library: int  # libgcc, libc
    other: int  # vectors, alignment, .data image
    total: int
