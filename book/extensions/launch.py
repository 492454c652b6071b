"""Sphinx extension: links to the course's repository and buttons that open a chapter on Binder, Colab or a JupyterHub.

The address is `repository: url:` in _config.yml, or the environment variable BOOK_REPOSITORY, which comes first; without
one there are no such links. What is opened is the chapter's notebook (see chapter_notebooks.py) on the branch that the book
is published from, since notebooks are built and not committed.
"""

import os
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

PUBLISHED_BRANCH = "gh-pages"
"""What .github/workflows/book.yml pushes the built book to."""

NOTEBOOKS = "_sources"
"""Where the theme's download button, and so everybody, expects them."""

BINDER_REPOSITORIES = {"github.com": "gh", "gitlab.com": "gl"}


def repository(config: Config) -> str:
    address = os.environ.get("BOOK_REPOSITORY") or config.html_theme_options.get("repository_url") or ""
    parts = urlsplit(address)
    if address and (parts.scheme != "https" or len(parts.path.strip("/").split("/")) < 2):
        raise ConfigError(
            f"repository: expected an address like https://github.com/owner/name, got {address!r}"
        )
    return address.rstrip("/").removesuffix(".git")


def requirement(address: str) -> str:
    """What pip needs to run the chapters anywhere."""
    return f"variational-methods-course[notebooks] @ git+{address}"


def launch_addresses(address: str, services: dict, page: str) -> dict[str, str]:
    """For each service, by its name, the address that opens the page's notebook there."""
    parts = urlsplit(address)
    name, notebook = parts.path.strip("/"), f"{NOTEBOOKS}/{page}.ipynb"
    found = {}
    if binder := services.get("binderhub_url", "").rstrip("/"):
        kind = BINDER_REPOSITORIES.get(parts.netloc, "git")
        where = {"gh": name, "gl": quote(name, safe=""), "git": quote(address, safe="")}[kind]
        found["Binder"] = (
            f"{binder}/v2/{kind}/{where}/{PUBLISHED_BRANCH}?{urlencode({'urlpath': f'lab/tree/{notebook}'})}"
        )
    if (
        colab := services.get("colab_url", "").rstrip("/")
    ) and parts.netloc == "github.com":  # Colab reads no others
        found["Colab"] = f"{colab}/github/{name}/blob/{PUBLISHED_BRANCH}/{notebook}"
    if hub := services.get("jupyterhub_url", "").rstrip("/"):
        target = {
            "repo": address,
            "branch": PUBLISHED_BRANCH,
            "urlpath": f"lab/tree/{name.split('/')[-1]}/{notebook}",
        }
        found["JupyterHub"] = f"{hub}/hub/user-redirect/git-pull?{urlencode(target)}"
    return found


LOGOS = {"Binder": "logo_binder.svg", "Colab": "logo_colab.png", "JupyterHub": "logo_jupyterhub.svg"}


def set_repository(app: Sphinx, config: Config) -> None:
    address = repository(config)
    # The theme would point its own launch buttons at notebooks in the source branch, where there are none.
    app.config.book_launch_services = config.html_theme_options.pop("launch_buttons", {})
    config.html_theme_options["repository_url"] = address
    for button in ("use_repository_button", "use_issues_button"):
        config.html_theme_options[button] = bool(address)


def add_launch_buttons(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    address = app.config.html_theme_options["repository_url"]
    if not address or "ipynb_source" not in context:
        return
    addresses = launch_addresses(address, app.config.book_launch_services, page)
    buttons = [
        {
            "type": "link",
            "text": name,
            "tooltip": f"Open on {name}",
            "icon": f"_static/images/{LOGOS[name]}",
            "url": url,
        }
        for name, url in addresses.items()
    ]
    group = {
        "type": "group",
        "tooltip": "Run this chapter",
        "icon": "fas fa-rocket",
        "label": "launch-buttons",
    }
    context["header_buttons"].insert(0, {**group, "buttons": buttons})


def write_environment(app: Sphinx, error: Exception | None) -> None:
    """Binder builds its environment from the branch that the notebooks are on."""
    address = app.config.html_theme_options["repository_url"]
    if address and not error and app.builder.name == "html":
        folder = Path(app.outdir) / "binder"
        folder.mkdir(exist_ok=True)
        (folder / "requirements.txt").write_text(requirement(address) + "\n", encoding="utf8")


def setup(app: Sphinx) -> dict:
    app.add_config_value("book_launch_services", {}, "html")
    app.connect("config-inited", set_repository, priority=400)  # before the theme reads its options
    app.connect(
        "html-page-context", add_launch_buttons, priority=502
    )  # after the theme has made its list of buttons
    app.connect("build-finished", write_environment)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
