"""Objects that claim to be equal to anything, or to be numbers: exact types alone are decoded, from plain data."""

from tests.attacks.submission import EVERY, alone


def returns(body: str, expression: str):
    """All functions return an object."""
    return alone(f"import numpy as np\n{body}\ndef f(*args): return {expression}\n{EVERY}")


EQUAL = """
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    def __le__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __hash__(self): return 0
    def __bool__(self): return True
"""

ATTACKS = {
    "float": returns(f"class Right(float):{EQUAL}", "Right(1)"),
    "int": returns(f"class Right(int):{EQUAL}", "Right(1)"),
    "str": returns(f"class Right(str):{EQUAL}", "Right('1')"),
    "ndarray": returns(
        f"class Right(np.ndarray):{EQUAL}\n    def __array_function__(self, *a): return True\n"
        "    def __array_ufunc__(self, *a, **k): return np.True_",
        "np.ones(2).view(Right)",
    ),
    "float64": returns(f"class Right(np.float64):{EQUAL}", "Right(1)"),
    "array_interface": returns(
        "class Right:\n    def __array__(self, *a, **k): return np.ones(2)\n    def __float__(self): return 1.0\n"
        "    __array_interface__ = {'shape': (2,), 'typestr': '<f8', 'data': (0, False), 'version': 3}",
        "Right()",
    ),
    "index": returns(
        "class Right:\n    __index__ = lambda self: 1\n    __len__ = lambda self: 2\n    __iter__ = lambda self: iter([1, 2])",
        "Right()",
    ),
    "class_name": returns(f"class float(object):{EQUAL}\n    __class__ = type(1.0)", "float()"),
    "metaclass": returns(
        "class Meta(type):\n    __eq__ = lambda self, other: True\n    __hash__ = lambda self: hash(np.ndarray)\n"
        "    __instancecheck__ = lambda self, other: True\n    __name__ = 'ndarray'\nclass Right(metaclass=Meta): pass",
        "Right()",
    ),
    "object_array": returns(f"class Right:{EQUAL}", "np.array([Right()] * 2, dtype=object)"),
    "structured": returns("", "np.zeros(2, dtype=[('a', 'f8'), ('b', 'O')])"),
    "dates_and_text": returns(
        "", "[np.array(['nat'], 'M8[s]'), np.array(['1']), np.void(b'1'), np.str_('1')]"
    ),
    "masked": returns("", "np.ma.masked_all(2)"),
    "matrix": returns("import warnings; warnings.simplefilter('ignore')", "np.matrix([[1.0]])"),
    "memoryview": returns("", "memoryview(np.ones(2))"),
    "zero_strides": returns("", "np.lib.stride_tricks.as_strided(np.ones(1), (10**9,), (0,))"),
    "negative_strides": returns("", "np.ones((3, 3))[::-1, ::-1].T"),
    "wild_strides": returns("", "np.lib.stride_tricks.as_strided(np.ones(1), (4,), (2**40,))"),
    "empty": returns("", "np.zeros((0, 2**31))"),
    "huge_int": returns("", "10**100_000"),
    "many_digits": returns("", "2**999"),
    "deep": returns("value = 1.0\nfor _ in range(100_000): value = [value]", "value"),
    "circle": returns("value = []\nvalue.append(value)", "value"),
    "many": returns("", "[0.0] * 3_000_000"),
    "colliding_keys": returns("", "{k * (2**61 - 1): 1 for k in range(1, 100_000)}"),
    "changing_dict": returns(
        "class Key(str):\n    def __hash__(self): globals().update(x=1); return 0", "{Key('a'): 1}"
    ),
    "callable": returns("", "lambda *args: True"),
    "generator": alone(f"def f(*args): yield 1.0\n{EVERY}"),
    "dict_of_its_own": returns("class Right(dict):\n    def items(self): return [('a', 1.0)]", "Right()"),
    "file": returns("", "np.memmap('/tmp/x', 'f8', 'w+', shape=(3,))"),
    "class_as_property": returns(
        "class Right:\n    __class__ = property(lambda self: np.ndarray)\n    shape, ndim, dtype = (2,), 1, np.dtype('f8')\n"
        "    tobytes = lambda self: bytes(16)",
        "Right()",
    ),
    "ends_when_asked": returns(
        "import os\nclass Right:\n    def __array__(self, *a, **k): os.kill(os.getpid(), 9)", "Right()"
    ),
    "exception": alone(
        "class Right(Exception):\n    def __eq__(self, other): return True\ndef f(*args): raise Right(1.0)\n"
        + EVERY
    ),
    "nothing_raised": alone(
        "class Right(BaseException):\n    def __str__(self): raise self\ndef f(*args): raise Right\n" + EVERY
    ),
}
