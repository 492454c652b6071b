"""Checks of the assignment on the Gibbs variational principle.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from autograder.exercises.gibbs_principle.elbo import ELBO
from autograder.exercises.gibbs_principle.entropy import ENTROPY
from autograder.exercises.gibbs_principle.kl import KL
from autograder.exercises.gibbs_principle.posterior import POSTERIOR
from autograder.exercises.gibbs_principle.quickscore import QUICKSCORE

EXERCISES = (ENTROPY, KL, ELBO, POSTERIOR, QUICKSCORE)
