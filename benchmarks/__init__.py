"""Speed as ratios against peers, measured side by side in one run: `make bench`."""

import os

# OpenBLAS is left to choose its kernels for this machine, for both peers alike. It reads these when NumPy is imported, so they go first.
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)
