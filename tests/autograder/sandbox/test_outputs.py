"""Are outputs rebuilt in nbformat's form, and bounded?"""

import nbformat
import pytest

from autograder.sandbox import Limits, Session
from autograder.sandbox.inside.channel import ChannelError
from autograder.sandbox.outputs import ERROR_BYTES, rebuild


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "stream", "name": "stdout", "text": "x"},
        {"output_type": "display_data", "data": {"text/plain": "x"}},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["x"]},
    ],
    ids=lambda output: output["output_type"],
)
def test_size(output: dict) -> None:
    """Is the text of all outputs together bounded, wherever it stands?"""
    limits = Limits(stream_bytes=10, display_bytes=10)
    key, inner = {
        "stream": ("text", None),
        "display_data": ("data", "text/plain"),
        "error": ("traceback", 0),
    }[output["output_type"]]

    def with_length(length: int) -> list[dict]:
        text = "x" * length
        return [{**output, key: text if inner is None else {inner: text} if key == "data" else [text]}]

    assert rebuild(with_length(ERROR_BYTES), limits)
    with pytest.raises(ChannelError, match="too large"):
        rebuild(with_length(ERROR_BYTES + 40), limits)


def test_valid_notebook(root: Session) -> None:
    """Do the outputs of real cells make a valid notebook?"""
    session = root.fork()
    sources = [
        "print(1)",
        "1 / 0",
        "[1, 2]",
        "import matplotlib.pyplot as plt\nplt.plot([1]);",
        "from IPython.display import HTML\ndisplay(HTML('<b>'))",
    ]
    cells = []
    for source in sources:
        outputs = session.run(source, "<cell>", 20).outputs
        assert outputs
        cells.append(
            nbformat.v4.new_code_cell(source, outputs=[nbformat.from_dict(output) for output in outputs])
        )
    nbformat.validate(nbformat.v4.new_notebook(cells=cells))
