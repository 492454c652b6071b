"""Checks of the assignment on mean field.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from autograder.exercises.mean_field.coordinate_ascent import ASCENT
from autograder.exercises.mean_field.coordinate_update import UPDATE
from autograder.exercises.mean_field.denoise import DENOISE
from autograder.exercises.mean_field.log_partition_bound import BOUND
from autograder.exercises.mean_field.mean_field_energy import ENERGY

EXERCISES = (ENERGY, UPDATE, BOUND, ASCENT, DENOISE)
