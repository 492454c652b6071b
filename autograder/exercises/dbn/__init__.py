"""Checks of the assignment on deep belief networks: RBMs with units of 0 and 1, tied weights, sampling.

Where an exercise draws units, it gets the uniform numbers handed in (a unit is 1 where u < p), so there is one right answer; the
generators keep these numbers away from the probabilities. Every misconception is a function that stands by itself, so that the
demonstration class can hand it in as it is.
"""

from autograder.exercises.dbn.cd_k import CD_K
from autograder.exercises.dbn.free_energy import FREE_ENERGY
from autograder.exercises.dbn.log_partition import LOG_PARTITION
from autograder.exercises.dbn.rbm_conditional import CONDITIONAL
from autograder.exercises.dbn.sample import SAMPLE
from autograder.exercises.dbn.tie_and_bound import TIE_AND_BOUND

EXERCISES = (CONDITIONAL, FREE_ENERGY, LOG_PARTITION, CD_K, TIE_AND_BOUND, SAMPLE)
