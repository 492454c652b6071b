"""Checks of the assignment on the two Kullback-Leibler divergences.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from autograder.exercises.two_kls.fit_reverse_kl import FIT
from autograder.exercises.two_kls.kl_gaussian import GAUSSIAN
from autograder.exercises.two_kls.kl_grid import GRID
from autograder.exercises.two_kls.moment_match import MATCH
from autograder.exercises.two_kls.reverse_kl_factorized import FACTORIZED

EXERCISES = (GAUSSIAN, FACTORIZED, MATCH, GRID, FIT)
