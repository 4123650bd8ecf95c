"""What the user says of ids: their names, which to ignore, which are one beacon."""

from functools import cached_property

from pydantic import BaseModel, ConfigDict, model_validator

from tinyloc.names import Line, printable
from tinyloc.survey.addresses import may_be_private


class Aliases(BaseModel):
    """[ids] of survey.toml. Logs keep every reading under the id that was heard; this applies when it is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: dict[Line, Line] = {}
    """Id -> name for people."""
    ignored: list[Line] = []
    """Ids that are neither shown nor trained on."""
    merged: dict[Line, Line] = {}
    """Id -> id of the beacon that it is counted as."""
    random_ignored: bool = False
    """Whether ids that may be private addresses are ignored, those that will come later too."""
    kept: list[Line] = []
    """Ids that are heard although they may be private addresses; those with a name are as well."""

    @model_validator(mode="after")
    def _no_chains(self) -> "Aliases":
        wrong = [printable(name) for name, into in self.merged.items() if into in self.merged or into == name]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: merge into an id that is not merged itself")
        return self

    def resolve(self, name: str) -> str | None:
        """The id that a reading counts for; None when it is ignored."""
        name = self.merged.get(name, name)
        if name in self._ignored:
            return None
        return None if self.random_ignored and name not in self._kept and may_be_private(name) else name

    def shown(self, name: str) -> str:
        """The name for people."""
        return self.names.get(name, name)

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return frozenset(self.ignored)

    @cached_property
    def _kept(self) -> frozenset[str]:
        return frozenset({*self.kept, *self.names, *self.merged.values()})

    def with_random_ignored(self, ignore: bool, kept: list[str]) -> "Aliases":
        """Ignore what may be a private address, but for `kept`; or hear it again."""
        return self._changed(random_ignored=ignore, kept=kept if ignore else [])

    def with_name(self, name: str, shown: str) -> "Aliases":
        """Name an id; an empty name removes it."""
        names = {key: value for key, value in self.names.items() if key != name}
        return self._changed(names=names | ({name: shown} if shown else {}))

    def with_ignored(self, names: list[str], ignore: bool) -> "Aliases":
        """Ignore ids, or hear them again."""
        kept = [name for name in self.ignored if name not in names]
        return self._changed(ignored=[*kept, *dict.fromkeys(names)] if ignore else kept)

    def with_merged(self, name: str, into: str) -> "Aliases":
        """Count one id as another; an empty `into` undoes it. What was merged into `name` follows."""
        merged = {key: value for key, value in self.merged.items() if key != name}
        if into:
            into = merged.get(into, into)
            if into == name:
                raise ValueError(f"{printable(name)} is already counted as this beacon")
            merged = {key: into if value == name else value for key, value in merged.items()} | {name: into}
        return self._changed(merged=merged)

    def _changed(self, **changes: object) -> "Aliases":
        return Aliases.model_validate(self.model_dump() | changes)
