"""The gradebook on PostgreSQL: a server of its own, in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder import doctor
from autograder.course import Course
from autograder.gradebook import manual_marks, standing

ASSIGNMENT = "gibbs_principle"
PASSWORD = "p@ss:word/7"
QUOTED = "p%40ss%3Aword%2F7"
pytestmark = pytest.mark.timeout(1800)  # several whole runs each, which a busy machine makes slow


def program(name):
    """Find a program of the server; Debian keeps them off the path."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None and not os.environ.get("CI"):
        pytest.skip("no PostgreSQL server is installed (Debian's package postgresql)")
    assert found, f"PostgreSQL's {name} is missing"
    return found


class Server:
    """A server on a free port of loopback, with a database for a user who has a password."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://grader:{QUOTED}@127.0.0.1:{self.port}/gradebook"
        self._data = folder / "data"
        password = folder / "password"
        password.write_text("superuser")
        if os.geteuid() == 0:  # the server refuses to run as root
            user = pwd.getpwnam("postgres")
            for path in (folder, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.run(
            "initdb", "--auth=scram-sha-256", "--username=admin", f"--pwfile={password}", "-D", self._data
        )
        self.start()
        for statement in (
            f"CREATE USER grader PASSWORD '{PASSWORD}'",
            "CREATE DATABASE gradebook OWNER grader",
        ):
            self.run(
                "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "admin", "-c", statement, "postgres"
            )

    def run(self, name, *arguments):
        become = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        )
        result = subprocess.run(
            [*become, program(name), *arguments], cwd="/", capture_output=True, text=True, check=False,
            env={**os.environ, "PGPASSWORD": "superuser"}, timeout=120,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run("pg_ctl", "-D", self._data, "-w", "-l", self._data / "log", "-o", options, "start")

    def stop(self):
        self.run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory(
        prefix="postgres-"
    ) as folder:  # pytest's folders are closed to other users
        server = Server(Path(folder))
        yield server
        server.stop()


def test_the_gradebook_on_postgresql(graded_class, waiting_class, server, tools):
    (waiting_class / "gradebook.db").unlink()
    with (waiting_class / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.CourseDirectory.db_url = {server.url!r}\n")
    code, _, err = tools.finished(tools.start(waiting_class, "--jobs", "2"))
    assert code == 2
    assert "wants the course to have a name: set c.CourseDirectory.course_id in nbgrader_config.py" in err
    *_, finding = doctor._gradebook(Course(waiting_class))
    assert (finding.state, finding.advice) == ("bad", "set c.CourseDirectory.course_id in nbgrader_config.py")
    with (waiting_class / "nbgrader_config.py").open("a") as file:
        file.write("\nc.CourseDirectory.course_id = 'variational_methods'\n")
    code, out, err = tools.finished(tools.start(waiting_class, "--jobs", "2"))
    assert (code, out) == (0, "gibbs_principle: 7 graded now, 7 submissions in all\n"), err
    assert tools.results(waiting_class) == graded_class.results
    assert not (waiting_class / "gradebook.db").exists()

    course = Course(waiting_class)
    address = f"postgresql+psycopg://grader@127.0.0.1:{server.port}/gradebook"
    assert list(doctor._gradebook(course)) == [doctor.Finding("gradebook", "good", f"{address}: in use")]
    with Gradebook(course.db_url) as gradebook:
        mark = gradebook.find_grade("free_response", ASSIGNMENT, ASSIGNMENT, "ada_solution")
        mark.manual_score, mark.needs_manual_grade = 4.5, False
        gradebook.find_comment("kl", ASSIGNMENT, ASSIGNMENT, "ada_solution").manual_comment = "Well done"
        gradebook.db.commit()
    code, out, err = tools.finished(tools.start(waiting_class, "--force", "--student", "ada_solution"))
    assert (code, out) == (0, "gibbs_principle: 1 graded now, 7 submissions in all\n"), err
    assert manual_marks(course, "ada_solution", ASSIGNMENT) == {
        "free_response": (4.5, ""),
        "kl": (None, "Well done"),
    }
    assert standing(course, "ada_solution", ASSIGNMENT).score == 24.5

    server.stop()
    try:
        code, out, err = tools.finished(tools.start(waiting_class, "--force"))
        assert code == 2
        assert "autograder: the gradebook can't be used (connection failed" in err
        assert err.strip().endswith("see that its database runs and that its address is right")
        found = list(doctor._gradebook(course))
        assert [finding.state for finding in found] == ["bad"]
        for text in (out, err, str(found)):
            for secret in (QUOTED, PASSWORD, "word/7", "word%2F7"):
                assert secret not in text
    finally:
        server.start()
