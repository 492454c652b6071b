"""Points are written where they are kept: the gradebook, the reports and the feedback are out of reach."""

from tests.attacks.submission import FULL, alone, beside

SQL = """
import glob, os, sqlite3
for folder in (".", "..", "../..", "/work", "/srv", "/root", "/home", "/tmp"):
    for path in [*glob.glob(folder + "/**/*.db", recursive=True), folder + "/gradebook.db"]:
        if not path.startswith(("/opt", "/usr")):
            try:
                db = sqlite3.connect(path)
                db.execute("UPDATE grade SET manual_score = 100, auto_score = 100")
                db.commit()
                print("written", path)
            except sqlite3.Error: pass
"""

WRITE = """
import os
for folder in ("/", "..", "/autograded", "/feedback", "/opt", "/opt/grading", "/opt/grading/inside", "/opt/site-packages", "/etc", "/proc", "/dev"):
    for name in ("report.json", "gradebook.db", "session.py", "sitecustomize.py"):
        try:
            open(os.path.join(folder, name), "w").write('{"points": 100}')
            print("written", folder, name)
        except OSError: pass
"""

ATTACKS = {
    "sql": alone(SQL),
    "sql_beside": beside(SQL, FULL),
    "files": alone(WRITE),
    "postgres": alone(
        "import socket\nfor path in ('/var/run/postgresql/.s.PGSQL.5432', '/tmp/.s.PGSQL.5432'):\n    try: socket.socket(socket.AF_UNIX).connect(path); print('written')\n    except OSError: pass"
    ),
}
