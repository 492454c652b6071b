"""Checks of the assignment on EM for a mixture of K Gaussians with unit covariance and equal weights.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from autograder.exercises.em.e_step import E_STEP
from autograder.exercises.em.em import EM
from autograder.exercises.em.em_objective import EM_OBJECTIVE
from autograder.exercises.em.hard_em import HARD_EM
from autograder.exercises.em.log_likelihood import LOG_LIKELIHOOD
from autograder.exercises.em.m_step import M_STEP

EXERCISES = (E_STEP, M_STEP, LOG_LIKELIHOOD, EM_OBJECTIVE, EM, HARD_EM)
