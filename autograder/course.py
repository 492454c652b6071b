"""Where the files of a course are. nbgrader's own configuration says so, and this module only asks it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import sys
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, PyFileConfigLoader

from autograder.intake import is_safe_name, student_folders
from autograder.report import Report, from_json
from autograder.sandbox.limits import Limits

CONFIG_FILE = "nbgrader_config.py"
SEED_FILE = ".hidden_seed"
SEED_BITS = 128


class CourseError(ValueError):
    """A file of the course has to be mended; the text says which, and how."""


class Course:
    """A course directory with its nbgrader configuration.

    Parameters
    ----------
    directory : Path
        The folder that holds nbgrader_config.py.

    Raises
    ------
    FileNotFoundError
        If there is no nbgrader_config.py in the folder.
    CourseError
        If it can't be run.

    Examples
    --------
    >>> course = Course(Path("."))  # doctest: +SKIP
    >>> course.assignments()  # doctest: +SKIP
    ['gibbs_principle', 'mean_field']
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(os.path.abspath(directory))
        if not (self.directory / CONFIG_FILE).is_file():
            raise FileNotFoundError(
                f"{self.directory} is no course directory, since it has no {CONFIG_FILE}: "
                "change to the course's folder, or name it with --course"
            )
        try:
            self.config: Config = PyFileConfigLoader(CONFIG_FILE, path=str(self.directory)).load_config()
        except Exception as error:  # it is a program, so it may fail in any way
            raise CourseError(
                f"{self.directory / CONFIG_FILE} can't be run ({type(error).__name__}: {error}): mend it"
            ) from error
        self.config.CourseDirectory.root = str(self.directory)
        self._folders = CourseDirectory(config=self.config)

    @classmethod
    def of(cls, folders: CourseDirectory) -> Course:
        """Return the course that a program of nbgrader works on, with what its command line changed."""
        course = cls(Path(folders.root))
        course._folders = folders
        return course

    @property
    def db_url(self) -> str:
        """Address of nbgrader's gradebook, for SQLAlchemy."""
        return self._folders.db_url

    @property
    def course_id(self) -> str:
        """nbgrader's name of the course, "" for its default one."""
        return self._folders.course_id

    @property
    def book(self) -> str:
        """Where the book's pages are: a URL from the configuration, or else the folder of the built book."""
        return self.config.Autograder.get("book_url", "") or str(self.directory / "_build" / "html")

    def limits(self) -> Limits:
        """Return the limits of a submission, with what the configuration changes: c.Autograder.limits = {"cell_seconds": 60}.

        Raises
        ------
        CourseError
            If it names no limit, or a value is not above zero.
        """
        changes = dict(self.config.Autograder.get("limits", {}))
        known = {field.name: type(field.default) for field in dataclasses.fields(Limits)}
        for name, value in changes.items():
            if name not in known:
                raise CourseError(
                    f"c.Autograder.limits: there is no limit {name!r}; these are: {', '.join(known)}"
                )
            numbers = (int, float) if known[name] is float else (int,)
            if type(value) not in numbers or not 0 < value < 2**62:
                kind = "a number" if known[name] is float else "a whole number"
                raise CourseError(
                    f"c.Autograder.limits: expected {kind} above zero for {name}, got {value!r}"
                )
        return Limits(**changes)

    def assignments(self) -> list[str]:
        """Names of the assignments that have an instructor's notebook, sorted."""
        folder = self.directory / self._folders.source_directory
        return sorted(path.parent.name for path in folder.glob("*/*.ipynb") if path.stem == path.parent.name)

    def source_path(self, assignment: str) -> Path:
        """Return the path of the instructor's notebook."""
        return self._path(self._folders.source_directory, ".", assignment) / f"{assignment}.ipynb"

    def students(self, assignment: str) -> list[str]:
        """Ids of the students who handed something in, sorted."""
        names = student_folders(self.submitted_folder)
        return [name for name in names if os.path.lexists(self.submission_folder(name, assignment))]

    @property
    def submitted_folder(self) -> Path:
        """The folder with one folder for each student."""
        return self.directory / self._folders.submitted_directory

    @property
    def release_folder(self) -> Path:
        """The folder that nbgrader writes the students' versions to."""
        return self.directory / self._folders.release_directory

    @property
    def autograded_folder(self) -> Path:
        """The folder that the graded notebooks are written to."""
        return self.directory / self._folders.autograded_directory

    @property
    def feedback_folder(self) -> Path:
        """The folder that the feedback pages are written to."""
        return self.directory / self._folders.feedback_directory

    def submission_folder(self, student: str, assignment: str) -> Path:
        """Return submitted/<student>/<assignment>."""
        return self._path(self._folders.submitted_directory, student, assignment)

    def autograded_path(self, student: str, assignment: str) -> Path:
        """Return autograded/<student>/<assignment>."""
        return self._path(self._folders.autograded_directory, student, assignment)

    def feedback_path(self, student: str, assignment: str) -> Path:
        """Return the path of a student's feedback page."""
        return self._path(self._folders.feedback_directory, student, assignment) / f"{assignment}.html"

    def _path(self, step: str, student: str, assignment: str) -> Path:
        for name in (student, assignment):
            if name != "." and not is_safe_name(name):
                raise ValueError(f"expected a name of letters, digits and _@+-. for a folder, got {name!r}")
        return Path(os.path.normpath(self._folders.format_path(step, student, assignment)))

    def has_gradebook(self) -> bool:
        """Whether there is a gradebook; one on a server is taken to be there."""
        scheme, _, path = self.db_url.partition(":///")
        return scheme != "sqlite" or Path(path).exists()

    def hidden_seed(self) -> int:
        """Return the seed of the hidden instances, which is drawn at the first use and then kept in a private file.

        Raises
        ------
        CourseError
            If the file's content is not a seed.
        """
        path = self.directory / SEED_FILE
        if not path.exists():
            _create_seed(path)
        text = path.read_text().strip()
        try:
            return int(text, 16)
        except ValueError:
            raise CourseError(
                f"{path} holds no seed (expected a hexadecimal number): restore it, or delete it to draw a new one"
            ) from None


def load_report(course: Course, student: str, assignment: str) -> Report | None:
    """Return what the last grading of a submission found out, or None if there is nothing that can be read."""
    path = course.autograded_path(student, assignment) / "report.json"
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def find_programs() -> None:
    """Put the programs beside our Python on the path: nbgrader starts `alembic`, in an environment not activated too."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([programs, path])


def _create_seed(path: Path) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.randbits(SEED_BITS):032x}\n")
        # Of two processes that draw a seed at once, the first one's stands; a half-written file is never seen.
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink()
