"""What is installed and shipped is named: locks with hashes, actions by commit, data licences of the zoo."""

import re
import tomllib
from pathlib import Path

import pytest

from tinyloc.device.zoo.models import load_card, names

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_package_of_a_lock_has_a_hash(repository: Path, version: str) -> None:
    text = (repository / "requirements" / f"locked-{version}.txt").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert len(entries) == len(REQUIREMENT.findall(text)) > 40
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_has_what_ci_installs(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["test"],
        *extras["dev"],
        *extras["docs"],
        *extras["train"],
        *extras["export"],
    ]
    locked = {
        normal(name) for name, _ in REQUIREMENT.findall((repository / "requirements" / "locked-3.11.txt").read_text())
    }
    names_of = {normal(re.split(r"[\s\[<>=;]", text)[0]) for text in wanted} - {"tinyloc"}
    assert names_of - locked == set()


def test_actions_are_named_by_commit(repository: Path) -> None:
    for workflow in (repository / ".github" / "workflows").glob("*.yml"):
        used = re.findall(r"uses: (\S+)", workflow.read_text())
        assert used
        assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_notice_names_data_licence_and_citation_of_each_model(repository: Path) -> None:
    notice = " ".join((repository / "NOTICE").read_text().split())
    for name in names():
        card = load_card(name)
        assert re.search(rf"\b{re.escape(name)} [^|]*? {re.escape(card.licence)}", notice), name
        assert card.citation in notice, name
