"""Hooks without the wrappers of Unicorn's Python package, which cost as much as the callback itself."""

import ctypes
from collections.abc import Callable
from typing import Any

from unicorn import UC_HOOK_BLOCK, UC_HOOK_CODE, Uc, UcError
from unicorn.unicorn_py3.unicorn import uclib  # private: tinyloc pins the version of unicorn

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32)
_HANDLE = ctypes.c_size_t


class BlockHook:
    """Calls `on_block(address, size)` before every basic block until `remove`.

    An exception of the callback ends the run; `raised` holds it.
    """

    def __init__(self, engine: Uc, on_block: Callable[[int, int], None]) -> None:
        self.raised: BaseException | None = None
        self._engine = engine

        def call(_: int, address: int, size: int) -> None:
            try:
                on_block(address, size)
            except BaseException as error:
                self.raised = self.raised or error
                engine.emu_stop()

        self._keep: Any = _CALLBACK(call)  # the C side does not hold a reference
        self._handle = _HANDLE()
        pointer = ctypes.cast(self._keep, ctypes.c_void_p)
        everywhere = ctypes.c_uint64(1), ctypes.c_uint64(0)  # first above last
        status = uclib.uc_hook_add(engine._uch, ctypes.byref(self._handle), UC_HOOK_BLOCK, pointer, None, *everywhere)
        if status:
            raise UcError(status)
        engine.ctl_flush_tb()  # translated code does not call the hook

    def remove(self) -> None:
        """Blocks run unseen from now on."""
        status = uclib.uc_hook_del(self._engine._uch, self._handle)
        if status:
            raise UcError(status)
        self._engine.ctl_flush_tb()


class AlignmentHook:
    """Calls `on_odd` with a register's value and the address before an instruction whose register is no whole word."""

    def __init__(self, engine: Uc, address: int, register: int, on_odd: Callable[[int, int], None]) -> None:
        value = ctypes.c_uint32()
        read, number, place = uclib.uc_reg_read, ctypes.c_int(register), ctypes.byref(value)
        handle = engine._uch

        def call(_: int, at: int, size: int) -> None:
            read(handle, number, place)
            if value.value & 3:
                on_odd(value.value, at)

        self._keep: Any = _CALLBACK(call)
        self._handle = _HANDLE()
        pointer, there = ctypes.cast(self._keep, ctypes.c_void_p), ctypes.c_uint64(address)
        status = uclib.uc_hook_add(engine._uch, ctypes.byref(self._handle), UC_HOOK_CODE, pointer, None, there, there)
        if status:
            raise UcError(status)
