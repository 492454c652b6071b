"""Reference implementations for a course on variational methods: numba kernels behind plain NumPy functions."""
