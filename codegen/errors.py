"""Errors of the compiler that the user can fix."""

from tinyloc.errors import UserError


class CompileError(UserError):
    """A model that cannot be compiled. `problems` lists everything that stands in the way, one line each."""

    def __init__(self, where: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{where} cannot be compiled, {len(problems)} problem{'s' * (len(problems) != 1)}:{lines}")


class ConstantsError(UserError):
    """Constants that alone take far more flash than there is: nothing is generated."""

    exit_code = 1
