"""nbgrader's configuration for this course; the autograder reads the folders from it too."""

from autograder import collect, hooks, rebuild

c = get_config()  # noqa: F821 - nbgrader defines it before it runs this file

# The instructor's notebooks are called what they are: solutions. nbgrader's name for the folder would be "source".
# The other folders have nbgrader's names: release, submitted, autograded, feedback.
c.CourseDirectory.source_directory = "solutions"

# The same stub that the grader puts in the place of a deleted cell, so that it fails alike.
c.ClearSolutions.code_stub = {"python": rebuild.CODE_STUB}

# An empty cell invites an answer; a placeholder sentence gets handed in among the answers.
c.ClearSolutions.text_stub = ""

# Where the pages of the book are, for the links in the feedback and in check.py's hints: a URL that ends in a slash. ""
# stands for the built book in _build/html, which students don't have: check.py then names the chapter and the section.
c.Autograder.book_url = ""

# What a submission may use, where it differs from the defaults in autograder/sandbox/limits.py: bytes and seconds.
c.Autograder.limits = {}

# nbgrader's commands and formgrader's buttons grade with the sandbox, never in the instructor's own account.
hooks.install()

# check.py, with which students test their functions, is given out with the notebook.
c.GenerateAssignment.preprocessors.append(hooks.AddCheckFiles)

# nbgrader zip_collect unpacks a learning platform's archive safely, and knows the file names of Canvas and Moodle.
c.ZipCollectApp.extractor_plugin = collect.SafeExtractor
c.FileNameCollectorPlugin.named_regexp = collect.LMS_FILE
