"""A recorder of its own process for the test that kills it: each reading is acknowledged after it was recorded.

`python -m tests.survey.kill_target FOLDER SESSION` resumes SESSION, or begins one when it is "-". Readings are numbered
by their id, from where the file ends.
"""

import sys
from pathlib import Path

from tinyloc.survey.project import Project
from tinyloc.survey.readings import Reading
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.session import About


def main(folder: Path, session: str) -> None:
    recorder = Recorder(Project(folder))
    if session == "-":
        recorder.start_session(About(person="Anna", device="band", day="2026-11-30"))
    else:
        recorder.resume(session)
    assert recorder.session is not None
    number = recorder.session.count
    print("ready", recorder.session.name, flush=True)
    while True:
        recorder.take(Reading(None, f"beacon {number}", -60))
        number += 1
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
