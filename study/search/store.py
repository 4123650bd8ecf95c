"""Optuna's store of a search: opened, kept to one process at a time, and compared with the search that asks."""

import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from tinyloc.study.search.settings import Search, SearchError
from tinyloc.training.errors import one_line

FILE = "search.db"
LOCK = ".lock"
SETTINGS = "search"
"""Attribute of Optuna's study: the search, as JSON."""
CONNECT_SECONDS = 10
START_UP = 10
"""Random candidates before TPE models anything."""
POSTGRES = re.compile(r"^postgres(ql)?(\+\w+)?://")

optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def opened(search: Search, place: Path, store: str | None) -> Iterator[optuna.Study]:
    """Open the study of a search, for this process alone.

    Args:
        search: as asked for.
        place: directory of the search; without `store` it holds the SQLite file.
        store: postgresql://USER@HOST/DATABASE.

    Raises:
        SearchError: the store cannot be reached, holds another search of this name, or another process is at it.
    """
    place.mkdir(parents=True, exist_ok=True)
    with _only_here(place, search.name), _only_one(store, search.name):
        yield _loaded(search, _url(place, store))


def _url(place: Path, store: str | None) -> str:
    if store is None:
        return f"sqlite:///{(place / FILE).resolve()}"
    if not POSTGRES.match(store):
        raise SearchError(f"--store {store!r} is no address of PostgreSQL; write postgresql://USER@HOST/DATABASE")
    return POSTGRES.sub("postgresql+psycopg://", store)


def _loaded(search: Search, url: str) -> optuna.Study:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if not url.startswith("sqlite"):
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
    try:
        storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
        study = optuna.create_study(
            study_name=search.name,
            storage=storage,
            sampler=_sampler(search, storage),
            directions=["maximize" if name == "quality" else "minimize" for name in search.objectives],
            load_if_exists=True,
        )
        kept = study.user_attrs.get(SETTINGS)
        if kept is None:
            study.set_user_attr(SETTINGS, _identity(search))
    except Exception as error:  # SQLAlchemy and psycopg raise many kinds
        raise SearchError(
            f"the store {_without_password(url)} cannot be used ({one_line(error)[:300]}). Start PostgreSQL and check "
            "user, host and database, or leave --store out to keep the search in a file"
        ) from error
    if kept is not None and kept != _identity(search):
        raise SearchError(
            f"there is another search {search.name!r} in {_without_password(url)}: {_difference(kept, search)}. Give "
            "this one another name, or ask for the same again to continue it"
        )
    return study


def _sampler(search: Search, storage: optuna.storages.BaseStorage) -> BaseSampler:
    seed = search.seed + _begun(search, storage)  # a continued search must not propose its beginning again
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if search.sampler == "random":
            return RandomSampler(seed=seed)
        if search.sampler == "nsga2":
            return NSGAIISampler(population_size=max(4, min(20, search.trials // 4)), seed=seed)
        return TPESampler(n_startup_trials=START_UP, multivariate=True, constant_liar=True, seed=seed)


def _begun(search: Search, storage: optuna.storages.BaseStorage) -> int:
    try:
        return storage.get_n_trials(storage.get_study_id_from_name(search.name))
    except KeyError:
        return 0


def _identity(search: Search) -> str:
    """What must not change in a search that goes on. More trials may be asked for."""
    return search.model_dump_json(exclude={"trials"})


def _difference(kept: str, search: Search) -> str:
    then, now = json.loads(kept), json.loads(_identity(search))
    differing = sorted(key for key in {*then, *now} if then.get(key) != now.get(key))
    return ", ".join(
        f"{key} was {json.dumps(then.get(key))[:80]}, now {json.dumps(now.get(key))[:80]}" for key in differing
    )


def _without_password(url: str) -> str:
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:...@", url)


def _busy(name: str) -> SearchError:
    return SearchError(f"another process works on the search {name!r}; wait for it, or give this one another name")


@contextmanager
def _only_here(place: Path, name: str) -> Iterator[None]:
    """Hold a lock on the directory until the process ends, however it ends."""
    try:
        lock = FileLock(place / LOCK).acquire(blocking=False)
    except Timeout:
        raise _busy(name) from None
    with lock:
        yield


@contextmanager
def _only_one(store: str | None, name: str) -> Iterator[None]:
    """Hold an advisory lock of PostgreSQL: other machines have other directories."""
    if store is None or not POSTGRES.match(store):
        yield
        return
    import psycopg

    key = int.from_bytes(hashlib.sha256(f"tinyloc search {name}".encode()).digest()[:8], "big", signed=True)
    address = POSTGRES.sub("postgresql://", store)
    try:
        connection = psycopg.connect(address, connect_timeout=CONNECT_SECONDS, autocommit=True)
    except psycopg.Error as error:
        raise SearchError(
            f"the store {_without_password(address)} cannot be reached ({one_line(error)[:300]}). Start PostgreSQL and "
            "check user, host and database, or leave --store out to keep the search in a file"
        ) from error
    try:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row is None or not row[0]:
            raise _busy(name)
        yield
    finally:
        with suppress(psycopg.Error):
            connection.close()
