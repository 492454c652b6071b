"""The demonstration class, graded for real: each point and each reason, and the hint, page and mark that follow from it."""

import html
import json
import shutil
from pathlib import Path

import pytest
from markupsafe import Markup
from nbgrader.api import Gradebook

from autograder import demonstration, exercises, grade_class, gradebook
from autograder.course import Course
from autograder.exporters import Canvas, Moodle, Table, gradescope_results
from autograder.sandbox import Limits
from tests.autograder.hidden_numbers import Secrets

ROOT = Path(__file__).parents[2]
LIMITS = Limits(cell_seconds=4, call_seconds=2)
FUNCTIONS = {
    "gibbs_principle": ["entropy", "kl", "elbo", "posterior", "quickscore"],
    "mean_field": [
        "mean_field_energy",
        "coordinate_update",
        "log_partition_bound",
        "coordinate_ascent",
        "denoise",
    ],
    "two_kls": ["kl_gaussian", "reverse_kl_factorized", "moment_match", "kl_grid", "fit_reverse_kl"],
    "em": ["e_step", "m_step", "log_likelihood", "em_objective", "em", "hard_em"],
    "dbn": ["rbm_conditional", "free_energy", "log_partition", "cd_k", "tie_and_bound", "sample"],
}
POINTS = {
    "gibbs_principle": [3, 4, 4, 4, 5],
    "mean_field": [3, 4, 3, 5, 5],
    "two_kls": [3, 3, 4, 4, 6],
    "em": [3, 3, 3, 3, 4, 4],
    "dbn": [3, 3, 3, 4, 4, 3],
}
MISSING = "there is no such function"
CUT_OFF = "the file is not a notebook: it is not valid JSON; perhaps it was cut off"


def none_holds(assignment):
    """What a wrong number earns everywhere, whatever object it comes in."""
    declared = exercises.load(assignment).items()
    return {name: (0, f"0 of {len(e.properties)} properties hold") for name, e in declared}


# What is not full marks: points and reason, or the name of the misconception.
EXPECTED = {
    "gibbs_principle": {
        "ada_solution": {},
        "bo_other_route": {},
        "cheat_forge_messages": {
            "entropy": (0, "the cell did not run through: its process broke the answer format"),
            "kl": (0, MISSING),
            "elbo": (0, MISSING),
            "posterior": (0, MISSING),
            "quickscore": (0, MISSING),
        },
        "cheat_lying_objects": none_holds("gibbs_principle"),
        "cheat_patch_the_judge": dict.fromkeys(FUNCTIONS["gibbs_principle"], (0, MISSING)),
        "cheat_read_the_answers": dict.fromkeys(FUNCTIONS["gibbs_principle"], (0, MISSING)),
        "cheat_switch_off_checks": dict.fromkeys(FUNCTIONS["gibbs_principle"], (0, MISSING)),
        "cleo_partly_right": {
            "entropy": (2.4, "2 of 3 properties hold"),
            "kl": (3.4, "4 of 5 properties hold"),
            "elbo": (3.2, "3 of 4 properties hold"),
            "posterior": (3, "2 of 3 properties hold"),
            "quickscore": (4, "4 of 5 properties hold"),
        },
        "dan_blank": dict.fromkeys(FUNCTIONS["gibbs_principle"], (0, "not attempted")),
        "eve_syntax_error": {
            "entropy": (0, "the cell did not run through: stopped with SyntaxError"),
            "elbo": (0, "it raised NameError"),
        },
        "finn_exception": {
            "kl": (0, "it raised RuntimeError"),
        },
        "gus_endless_loop": {
            "entropy": (0, "it did not finish in time"),
            "elbo": (0, "it did not finish in time"),
        },
        "hal_loop_in_cell": {
            "kl": (0, "the cell did not run through: stopped after 4 s"),
        },
        "ivy_exit": {
            "entropy": (0, "the cell did not run through: its process ended (exit status 0)"),
            "elbo": (0, "it raised NameError"),
        },
        "jan_malformed": dict.fromkeys(FUNCTIONS["gibbs_principle"], (0, CUT_OFF)),
        "kim_strange_metadata": {},
        "misconceptions_1": {
            "entropy": (0, "the sign is forgotten"),
            "kl": (0, "the arguments are swapped"),
            "elbo": (0, "the negative of the bound"),
            "posterior": (2.6, "exponentials that overflow or underflow"),
            "quickscore": (0, "the signs don't alternate"),
        },
        "misconceptions_2": {
            "entropy": (0, "logarithm to base 2"),
            "kl": (0.6, "absolute value of each term"),
            "elbo": (0, "the joint's logarithm is missing"),
            "posterior": (0, "logarithms are normalised"),
            "quickscore": (0, "a sum in place of the noisy OR"),
        },
        "misconceptions_3": {
            "entropy": (1.5, "0 log 0 is NaN"),
            "kl": (0.6, "the logarithm is missing"),
            "elbo": (0, "the entropy is left out"),
            "posterior": (0, "log p(x) has the wrong sign"),
            "quickscore": (0, "the leak is left out"),
        },
        "misconceptions_4": {
            "entropy": (0, "mean instead of sum"),
            "kl": (2.8, "p is not normalised"),
            "elbo": (0, "log p(x) is subtracted"),
            "posterior": (0, "the prior instead of the posterior"),
            "quickscore": (1.25, "negative findings are ignored"),
        },
        "misconceptions_5": {
            "entropy": (0, "mean over the states that occur"),
            "kl": (3, "0 log 0 is NaN"),
            "elbo": (0, "the entropy has the wrong sign"),
            "posterior": (0, "normalised over the observations"),
            "quickscore": (2.25, "unobserved symptoms are taken as negative"),
        },
        "misconceptions_6": {
            "entropy": (0, "logarithm to base 2, and 0 log 0 is NaN"),
            "kl": (3.4, "states that p never takes are left out"),
            "elbo": (2.4, "0 log 0 is NaN"),
            "posterior": (0, "the joint is normalised as a whole"),
            "quickscore": (0, "each disease by itself"),
        },
        "misconceptions_7": {
            "entropy": (0, "the sign is forgotten, and 0 log 0 is NaN"),
            "kl": (0.6, "both directions are added"),
            "elbo": (0, "0 of 4 properties hold"),
            "posterior": (2.6, "one shift for all observations"),
        },
        "misconceptions_8": {
            "kl": (0.6, "the entropy of q is left out"),
            "posterior": (0, "logarithms of the posterior"),
        },
        "misconceptions_9": {
            "kl": (0.6, "logarithm to base 2"),
        },
    },
    "mean_field": {
        "ada_solution": {},
        "bo_other_route": {},
        "cheat_forge_messages": {
            "mean_field_energy": (0, "the cell did not run through: its process broke the answer format"),
            "coordinate_update": (0, MISSING),
            "log_partition_bound": (0, MISSING),
            "coordinate_ascent": (0, MISSING),
            "denoise": (0, MISSING),
        },
        "cheat_lying_objects": none_holds("mean_field"),
        "cheat_patch_the_judge": dict.fromkeys(FUNCTIONS["mean_field"], (0, MISSING)),
        "cheat_read_the_answers": dict.fromkeys(FUNCTIONS["mean_field"], (0, MISSING)),
        "cheat_switch_off_checks": dict.fromkeys(FUNCTIONS["mean_field"], (0, MISSING)),
        "cleo_partly_right": {
            "mean_field_energy": (1.5, "the diagonal is left out"),
            "coordinate_update": (3.2, "3 of 4 properties hold"),
            "log_partition_bound": (1.8, "1 of 3 properties hold"),
            "coordinate_ascent": (4.25, "3 of 4 properties hold"),
            "denoise": (3.75, "2 of 3 properties hold"),
        },
        "dan_blank": dict.fromkeys(FUNCTIONS["mean_field"], (0, "not attempted")),
        "eve_syntax_error": {
            "mean_field_energy": (0, "the cell did not run through: stopped with SyntaxError"),
        },
        "finn_exception": {
            "coordinate_update": (0, "it raised RuntimeError"),
        },
        "gus_endless_loop": {
            "mean_field_energy": (0, "it did not finish in time"),
        },
        "hal_loop_in_cell": {
            "coordinate_update": (0, "the cell did not run through: stopped after 4 s"),
        },
        "ivy_exit": {
            "mean_field_energy": (0, "the cell did not run through: its process ended (exit status 0)"),
        },
        "jan_malformed": dict.fromkeys(FUNCTIONS["mean_field"], (0, CUT_OFF)),
        "kim_strange_metadata": {},
        "misconceptions_1": {
            "mean_field_energy": (0, "each pair is counted twice"),
            "coordinate_update": (0, "expected logarithms are normalised"),
            "log_partition_bound": (0, "the largest entropy for every m"),
            "coordinate_ascent": (0, "all spins are updated at once"),
            "denoise": (0, "edges wrap around"),
        },
        "misconceptions_2": {
            "mean_field_energy": (1.5, "the diagonal is averaged like a pair"),
            "coordinate_update": (0, "the next axis is updated"),
            "log_partition_bound": (0, "each pair is counted twice"),
            "coordinate_ascent": (0, "tanh of twice the field"),
            "denoise": (0, "sigma instead of its square"),
        },
        "misconceptions_3": {
            "mean_field_energy": (1.5, "the diagonal is left out"),
            "coordinate_update": (0, "the expectation includes the factor itself"),
            "log_partition_bound": (0, "entropy in bits"),
            "coordinate_ascent": (0, "units of 0 and 1 instead of spins"),
            "denoise": (0, "the whole log-odds as field"),
        },
        "misconceptions_4": {
            "mean_field_energy": (0, "the field has the wrong sign"),
            "coordinate_update": (0, "the result is not normalised"),
            "log_partition_bound": (0, "the energy is inside the sum over spins"),
            "coordinate_ascent": (0, "the bound is taken before the sweep"),
            "denoise": (0, "thresholded in every sweep"),
        },
        "misconceptions_5": {
            "mean_field_energy": (0, "the energy has the wrong sign"),
            "coordinate_update": (0, "the marginal of p"),
            "log_partition_bound": (0, "the energy has the wrong sign"),
            "coordinate_ascent": (0, "a bound for every update"),
            "denoise": (0, "each pair is counted twice"),
        },
        "misconceptions_6": {
            "coordinate_update": (0, "the logarithm of an expectation"),
            "log_partition_bound": (1.8, "0 log 0 is NaN"),
            "coordinate_ascent": (0, "the spins are updated in reverse order"),
            "denoise": (0, "half of the coupling"),
        },
        "misconceptions_7": {
            "coordinate_update": (3.4, "0 times infinity is NaN"),
            "log_partition_bound": (0, "one state of each spin"),
            "coordinate_ascent": (0, "the field is left out of the update"),
            "denoise": (0, "half of the field"),
        },
        "misconceptions_8": {
            "denoise": (0, "edges are repeated"),
        },
        "misconceptions_9": {
            "denoise": (0, "eight neighbours"),
        },
        "misconceptions_10": {
            "denoise": (0, "a single sweep"),
        },
        "misconceptions_11": {
            "denoise": (0, "the prior is left out"),
        },
    },
    "two_kls": {
        "ada_solution": {},
        "bo_other_route": {},
        "cheat_forge_messages": {
            "kl_gaussian": (0, "the cell did not run through: its process broke the answer format"),
            "reverse_kl_factorized": (0, MISSING),
            "moment_match": (0, MISSING),
            "kl_grid": (0, MISSING),
            "fit_reverse_kl": (0, MISSING),
        },
        "cheat_lying_objects": none_holds("two_kls"),
        "cheat_patch_the_judge": dict.fromkeys(FUNCTIONS["two_kls"], (0, MISSING)),
        "cheat_read_the_answers": dict.fromkeys(FUNCTIONS["two_kls"], (0, MISSING)),
        "cheat_switch_off_checks": dict.fromkeys(FUNCTIONS["two_kls"], (0, MISSING)),
        "cleo_partly_right": {
            "kl_gaussian": (2.4, "3 of 4 properties hold"),
            "reverse_kl_factorized": (0.3, "1 of 5 properties hold"),
            "moment_match": (3.2, "3 of 4 properties hold"),
            "kl_grid": (3.4, "5 of 6 properties hold"),
            "fit_reverse_kl": (5.1, "3 of 4 properties hold"),
        },
        "dan_blank": dict.fromkeys(FUNCTIONS["two_kls"], (0, "not attempted")),
        "eve_syntax_error": {
            "kl_gaussian": (0, "the cell did not run through: stopped with SyntaxError"),
        },
        "finn_exception": {
            "reverse_kl_factorized": (0, "it raised RuntimeError"),
        },
        "gus_endless_loop": {
            "kl_gaussian": (0, "it did not finish in time"),
        },
        "hal_loop_in_cell": {
            "reverse_kl_factorized": (0, "the cell did not run through: stopped after 4 s"),
        },
        "ivy_exit": {
            "kl_gaussian": (0, "the cell did not run through: its process ended (exit status 0)"),
        },
        "jan_malformed": dict.fromkeys(FUNCTIONS["two_kls"], (0, CUT_OFF)),
        "kim_strange_metadata": {},
        "misconceptions_1": {
            "kl_gaussian": (0.45, "the arguments are swapped"),
            "reverse_kl_factorized": (0, "the variances of the marginals"),
            "moment_match": (0.6, "the spread of the means is left out"),
            "kl_grid": (0.4, "the cell volume is left out"),
            "fit_reverse_kl": (3.6, "one start for all"),
        },
        "misconceptions_2": {
            "kl_gaussian": (0.45, "the log-determinants have the wrong sign"),
            "reverse_kl_factorized": (0, "the inverses of the variances"),
            "moment_match": (0, "the components' own covariances are left out"),
            "kl_grid": (2.8, "0 times infinity is NaN"),
            "fit_reverse_kl": (3.6, "the local optima are averaged"),
        },
        "misconceptions_3": {
            "kl_gaussian": (0, "the dimension is not subtracted"),
            "reverse_kl_factorized": (0, "precisions instead of variances"),
            "moment_match": (0, "the weights are ignored"),
            "kl_grid": (0, "the arguments are swapped"),
            "fit_reverse_kl": (0, "the forward KL is minimised"),
        },
        "misconceptions_4": {
            "kl_gaussian": (0, "the half is left out"),
            "reverse_kl_factorized": (0, "standard deviations instead of variances"),
            "moment_match": (0.6, "the covariance of a sample"),
            "kl_grid": (2.8, "p is normalised on the grid"),
            "fit_reverse_kl": (5.1, "descent in sigma itself"),
        },
        "misconceptions_5": {
            "kl_gaussian": (0.45, "distance measured by the first covariance"),
            "reverse_kl_factorized": (0, "the variances along the principal axes"),
            "moment_match": (0, "the second moment is not centred"),
            "kl_grid": (0.8, "the cell volume once for every axis"),
            "fit_reverse_kl": (0, "the entropy of q is left out"),
        },
        "misconceptions_6": {
            "kl_gaussian": (0, "the means are left out"),
            "reverse_kl_factorized": (0.3, "each other coordinate by itself"),
            "moment_match": (0, "natural parameters are averaged"),
            "kl_grid": (3.6, "densities that underflow"),
            "fit_reverse_kl": (0, "the variance is returned"),
        },
        "misconceptions_7": {
            "kl_gaussian": (0, "covariance in place of its inverse"),
            "reverse_kl_factorized": (2.55, "a constant added to the diagonal"),
            "moment_match": (0.6, "the spread of the means axis by axis"),
            "kl_grid": (3.6, "cells that p never takes are left out"),
            "fit_reverse_kl": (0, "the nearest component is returned"),
        },
        "misconceptions_8": {
            "kl_gaussian": (0, "covariances are taken as diagonal"),
            "fit_reverse_kl": (0, "the curvature at the mode"),
        },
        "misconceptions_9": {
            "kl_gaussian": (2.4, "determinants that underflow or overflow"),
            "fit_reverse_kl": (0, "the logarithm inside the mixture's sum"),
        },
    },
    "em": {
        "ada_solution": {},
        "bo_other_route": {},
        "cheat_forge_messages": {
            "e_step": (0, "the cell did not run through: its process broke the answer format"),
            "m_step": (0, MISSING),
            "log_likelihood": (0, MISSING),
            "em_objective": (0, MISSING),
            "em": (0, MISSING),
            "hard_em": (0, MISSING),
        },
        "cheat_lying_objects": none_holds("em"),
        "cheat_patch_the_judge": dict.fromkeys(FUNCTIONS["em"], (0, MISSING)),
        "cheat_read_the_answers": dict.fromkeys(FUNCTIONS["em"], (0, MISSING)),
        "cheat_switch_off_checks": dict.fromkeys(FUNCTIONS["em"], (0, MISSING)),
        "cleo_partly_right": {
            "e_step": (2.4, "2 of 3 properties hold"),
            "m_step": (2.4, "3 of 4 properties hold"),
            "log_likelihood": (2.25, "2 of 3 properties hold"),
            "em_objective": (2.4, "2 of 3 properties hold"),
            "em": (3.2, "3 of 4 properties hold"),
            "hard_em": (3.2, "3 of 4 properties hold"),
        },
        "dan_blank": dict.fromkeys(FUNCTIONS["em"], (0, "not attempted")),
        "eve_syntax_error": {
            "e_step": (0, "the cell did not run through: stopped with SyntaxError"),
            "em": (0, "it raised NameError"),
        },
        "finn_exception": {
            "m_step": (0, "it raised RuntimeError"),
            "em": (0, "it raised RuntimeError"),
            "hard_em": (0, "it raised RuntimeError"),
        },
        "gus_endless_loop": {
            "e_step": (0, "it did not finish in time"),
            "em": (0, "it did not finish in time"),
        },
        "hal_loop_in_cell": {
            "m_step": (0, "the cell did not run through: stopped after 4 s"),
            "em": (0, "it raised NameError"),
            "hard_em": (0, "it raised NameError"),
        },
        "ivy_exit": {
            "e_step": (0, "the cell did not run through: its process ended (exit status 0)"),
            "em": (0, "it raised NameError"),
        },
        "jan_malformed": dict.fromkeys(FUNCTIONS["em"], (0, CUT_OFF)),
        "kim_strange_metadata": {},
        "misconceptions_1": {
            "e_step": (0, "the exponent lacks its half"),
            "m_step": (0, "the sum is not divided"),
            "log_likelihood": (0, "log K is left out"),
            "em_objective": (0, "the entropy is left out"),
            "em": (1.2, "the M-step uses old responsibilities"),
            "hard_em": (0, "responsibilities between 0 and 1"),
        },
        "misconceptions_2": {
            "e_step": (0, "normalised over the points"),
            "m_step": (0, "divided by the number of points"),
            "log_likelihood": (0, "the factor with 2 pi is left out"),
            "em_objective": (0, "the entropy has the wrong sign"),
            "em": (0, "the trace is taken before the update"),
            "hard_em": (0, "the trace holds the log-likelihood"),
        },
        "misconceptions_3": {
            "e_step": (0, "all or nothing"),
            "m_step": (0, "the weights of the rows"),
            "log_likelihood": (0, "both constants are left out"),
            "em_objective": (0, "log K is left out"),
            "em": (1.2, "it ended after the first iteration"),
            "hard_em": (3.2, "an empty component gives 0/0"),
        },
        "misconceptions_4": {
            "e_step": (0, "the distance is not squared"),
            "m_step": (0, "each point to its likeliest component"),
            "log_likelihood": (0, "the constant of one dimension"),
            "em_objective": (0, "the factor with 2 pi is left out"),
            "em": (1.2, "the means stay as the first iteration left them"),
            "hard_em": (3.2, "an empty component falls to the origin"),
        },
        "misconceptions_5": {
            "e_step": (2.1, "exponentials that underflow"),
            "m_step": (2.4, "an empty component gives 0/0"),
            "log_likelihood": (0, "a sum of logarithms"),
            "em_objective": (0, "both constants are left out"),
            "em": (0, "the trace holds a bound"),
            "hard_em": (3.2, "ties go to the last component"),
        },
        "misconceptions_6": {
            "e_step": (2.1, "one shift for all points"),
            "m_step": (2.55, "next to no weight counts as none"),
            "log_likelihood": (0, "a mean over the points"),
            "em_objective": (0, "the responsibilities are not used"),
            "em": (0, "the mixing weights are updated, too"),
            "hard_em": (3.2, "ties are shared"),
        },
        "misconceptions_7": {
            "e_step": (0, "the result is not normalised"),
            "log_likelihood": (2.25, "exponentials that underflow"),
            "em_objective": (0, "the negative of the objective"),
            "em": (0, "one iteration more"),
            "hard_em": (0, "the trace is taken before the update"),
        },
        "misconceptions_8": {
            "e_step": (0, "the farthest mean wins"),
            "log_likelihood": (0, "both constants are left out, and exponentials underflow"),
            "em_objective": (2.1, "0 log 0 is NaN"),
            "em": (0, "the constants are left out of the trace"),
            "hard_em": (0, "the constants are left out"),
        },
        "misconceptions_9": {
            "e_step": (0, "the exponent lacks its half, and exponentials underflow"),
            "log_likelihood": (0, "the nearest component alone"),
            "em_objective": (0, "the exponent lacks its half"),
            "em": (0, "each point to its nearest mean"),
            "hard_em": (0, "log K is left out"),
        },
        "misconceptions_10": {
            "e_step": (0, "normalised over the points, and exponentials underflow"),
            "log_likelihood": (0, "the exponent lacks its half"),
            "em_objective": (0, "a mean over the points"),
            "em": (0, "the exponent lacks its half"),
            "hard_em": (0, "the trace holds the sum of squares"),
        },
        "misconceptions_11": {
            "em": (0, "the sum is not divided"),
            "hard_em": (0.8, "labels after the last update"),
        },
    },
    "dbn": {
        "ada_solution": {},
        "bo_other_route": {},
        "cheat_forge_messages": {
            "rbm_conditional": (0, "the cell did not run through: its process broke the answer format"),
            "free_energy": (0, MISSING),
            "log_partition": (0, MISSING),
            "cd_k": (0, MISSING),
            "tie_and_bound": (0, MISSING),
            "sample": (0, MISSING),
        },
        "cheat_lying_objects": none_holds("dbn"),
        "cheat_patch_the_judge": dict.fromkeys(FUNCTIONS["dbn"], (0, MISSING)),
        "cheat_read_the_answers": dict.fromkeys(FUNCTIONS["dbn"], (0, MISSING)),
        "cheat_switch_off_checks": dict.fromkeys(FUNCTIONS["dbn"], (0, MISSING)),
        "cleo_partly_right": {
            "rbm_conditional": (2.4, "2 of 3 properties hold"),
            "free_energy": (2.25, "2 of 3 properties hold"),
            "log_partition": (2.4, "3 of 4 properties hold"),
            "cd_k": (2.8, "2 of 3 properties hold"),
            "tie_and_bound": (3.4, "3 of 4 properties hold"),
            "sample": (2.25, "3 of 4 properties hold"),
        },
        "dan_blank": dict.fromkeys(FUNCTIONS["dbn"], (0, "not attempted")),
        "eve_syntax_error": {
            "rbm_conditional": (0, "the cell did not run through: stopped with SyntaxError"),
            "cd_k": (0, "it raised NameError"),
            "sample": (0, "it raised NameError"),
        },
        "finn_exception": {
            "free_energy": (0, "it raised RuntimeError"),
            "log_partition": (0, "it raised RuntimeError"),
            "tie_and_bound": (0, "it raised RuntimeError"),
        },
        "gus_endless_loop": {
            "rbm_conditional": (0, "it did not finish in time"),
            "cd_k": (0, "it did not finish in time"),
            "sample": (0, "it did not finish in time"),
        },
        "hal_loop_in_cell": {
            "free_energy": (0, "the cell did not run through: stopped after 4 s"),
            "log_partition": (0, "it raised NameError"),
            "tie_and_bound": (0, "it raised NameError"),
        },
        "ivy_exit": {
            "rbm_conditional": (0, "the cell did not run through: its process ended (exit status 0)"),
            "cd_k": (0, "it raised NameError"),
            "sample": (0, "it raised NameError"),
        },
        "jan_malformed": dict.fromkeys(FUNCTIONS["dbn"], (0, CUT_OFF)),
        "kim_strange_metadata": {},
        "misconceptions_1": {
            "rbm_conditional": (0, "the sign of the exponent"),
            "free_energy": (0, "the sign"),
            "log_partition": (0, "the visible biases are left out"),
            "cd_k": (0, "the phases are swapped"),
            "tie_and_bound": (0, "the biases are not swapped"),
            "sample": (0.45, "the stack is upside down"),
        },
        "misconceptions_2": {
            "rbm_conditional": (0, "W is transposed"),
            "free_energy": (2.25, "an exponential that overflows"),
            "log_partition": (0, "the hidden biases are left out"),
            "cd_k": (0, "the gradient of W is transposed"),
            "tie_and_bound": (0, "W is not transposed"),
            "sample": (0.45, "sampling in the bottom machine"),
        },
        "misconceptions_3": {
            "rbm_conditional": (0, "the bias is left out"),
            "free_energy": (0, "the visible biases are left out"),
            "log_partition": (0, "one layer's units of -1 and 1"),
            "cd_k": (0, "a sum over the rows"),
            "tie_and_bound": (0, "the entropy is left out"),
            "sample": (0, "the pass starts at the top's hidden units"),
        },
        "misconceptions_4": {
            "rbm_conditional": (0, "the bias is added to the visible units"),
            "free_energy": (0, "the hidden biases are left out"),
            "log_partition": (0, "all units of -1 and 1"),
            "cd_k": (0, "one step less"),
            "tie_and_bound": (0, "the top's term has the wrong sign"),
            "sample": (0, "the sign of the exponent"),
        },
        "misconceptions_5": {
            "rbm_conditional": (0, "hidden units compete"),
            "free_energy": (0, "the energy at the hidden means"),
            "log_partition": (0, "a mean over the states"),
            "cd_k": (0, "one step more"),
            "tie_and_bound": (0, "the partition function is left out"),
            "sample": (0, "the comparison is reversed"),
        },
        "misconceptions_6": {
            "rbm_conditional": (0.75, "units in place of probabilities"),
            "free_energy": (0, "the likeliest hidden state alone"),
            "log_partition": (0, "the free energy has the wrong sign"),
            "cd_k": (0, "as many steps as there are uniform numbers"),
            "tie_and_bound": (1, "the partition function of the bottom machine"),
            "sample": (0, "probabilities are returned"),
        },
        "misconceptions_7": {
            "rbm_conditional": (0.75, "units of -1 and 1"),
            "free_energy": (0, "the hidden units are summed inside the logarithm"),
            "log_partition": (1.8, "exponentials that overflow"),
            "cd_k": (0, "samples in the positive phase"),
            "tie_and_bound": (1, "log p(x) in place of the bound"),
            "sample": (0.45, "means are passed down"),
        },
        "misconceptions_8": {
            "rbm_conditional": (2.25, "an exponential that overflows"),
            "free_energy": (0, "hidden units of -1 and 1"),
            "log_partition": (1.8, "the logarithm of 1 + exp overflows"),
            "cd_k": (0, "visible units are not sampled"),
            "tie_and_bound": (1, "means are put in for hidden units"),
            "sample": (0, "hidden units of the top are not sampled"),
        },
        "misconceptions_9": {
            "free_energy": (0, "the visible biases have the wrong sign"),
            "log_partition": (0, "the logarithm is missing"),
            "cd_k": (0, "nothing is sampled"),
            "tie_and_bound": (1, "the top is not moved in the bound"),
            "sample": (0, "no steps at the top"),
        },
        "misconceptions_10": {
            "log_partition": (0, "the state of all zeros is left out"),
            "cd_k": (1.4, "every step starts at the data"),
            "tie_and_bound": (1, "q is the moved top's"),
            "sample": (0, "a single step at the top"),
        },
        "misconceptions_11": {
            "log_partition": (0, "the largest term alone"),
            "cd_k": (0, "the last hidden units are not renewed"),
            "tie_and_bound": (3.4, "exponentials that overflow"),
        },
        "misconceptions_12": {
            "cd_k": (0, "the comparison is reversed"),
            "tie_and_bound": (3.4, "0 log 0 is NaN"),
        },
        "misconceptions_13": {
            "cd_k": (0, "hidden units are not sampled"),
        },
    },
}

assignments = pytest.mark.parametrize("assignment", FUNCTIONS)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions", folder / "solutions")
    (folder / ".hidden_seed").write_text("5eed\n")
    course = Course(folder)
    for assignment in FUNCTIONS:
        demonstration.write(assignment, course.source_path(assignment), course.submitted_folder)
        grade_class.grade(course, assignment, jobs=2, limits=LIMITS)
    return course


def reports(course, assignment):
    return {report.student: report for report in grade_class.reports(course, assignment)}


@assignments
def test_every_point_and_every_reason(course, assignment):
    found = {}
    for student, report in reports(course, assignment).items():
        found[student] = {
            result.exercise.partition(".")[2]: (result.points, result.misconception or result.reason)
            for result in report.exercises
        }
    full = {
        name: (points, "") for name, points in zip(FUNCTIONS[assignment], POINTS[assignment], strict=True)
    }
    assert found == {student: full | wrong for student, wrong in EXPECTED[assignment].items()}


@assignments
def test_every_misconception_of_the_chapter_occurs_with_its_hint(course, assignment):
    seen = {
        (result.exercise, result.misconception, result.hint, result.link)
        for report in reports(course, assignment).values()
        for result in report.exercises
        if result.misconception
    }
    declared = {
        (exercise.name, m.name, m.hint, m.section)
        for exercise in exercises.load(assignment).values()
        for m in exercise.misconceptions
    }
    assert seen == declared


@assignments
def test_the_gradebook_has_the_points_and_waits_for_the_free_response(course, assignment):
    for student, report in reports(course, assignment).items():
        standing = gradebook.standing(course, student, assignment)
        assert standing.score == pytest.approx(report.points)
        assert standing.max_score == sum(POINTS[assignment]) + 5
        assert standing.needs_manual_grade == (student != "jan_malformed")


@assignments
def test_every_student_has_a_page_with_their_hints(course, assignment):
    for student, report in reports(course, assignment).items():
        page = course.feedback_path(student, assignment).read_text(encoding="utf-8")
        for result in report.exercises:
            assert str(Markup.escape(result.hint)) in page
            seen = result.misconception or result.reason
            assert seen[1:] in html.unescape(
                page
            )  # its first letter begins a sentence there, but for a symbol's


@assignments
def test_nothing_leaks_to_the_cheats(course, assignment):
    report = reports(course, assignment)["cheat_read_the_answers"]
    printed = "".join(str(output.get("text", "")) for run in report.cells for output in run.outputs)
    assert "found: []" in printed
    assert "no reference here" in printed


@assignments
def test_no_hidden_number_is_in_any_page_or_export(course, assignment):
    """Neither a hidden instance nor a right answer, in whatever decimal form, in what a student or an instructor is given."""
    secrets = Secrets(assignment, course.hidden_seed())
    places = (course.autograded_folder, course.feedback_folder)
    paths = [path for place in places for path in place.glob(f"*/{assignment}/*") if path.is_file()]
    texts = {str(path): html.unescape(path.read_text(encoding="utf-8")) for path in paths}
    with Gradebook(course.db_url) as book:
        for exporter in (Canvas, Moodle, Table):
            target = course.directory / f"{exporter.__name__}.csv"
            exporter(to=str(target), assignment=[assignment]).export(book)
            texts[target.name] = target.read_text(encoding="utf-8")
        comments = [
            c for s in book.assignment_submissions(assignment) for n in s.notebooks for c in n.comments
        ]
        texts["gradebook"] = "\n".join(c.comment or "" for c in comments)
    for report in grade_class.reports(course, assignment):
        texts[f"{report.student}, results.json"] = json.dumps(gradescope_results(report, report.points))
    assert len(texts) > 4 * len(EXPECTED[assignment])
    assert {place: found for place, text in texts.items() if (found := secrets.found(text))} == {}


@assignments
def test_the_search_finds_a_hidden_number(course, assignment):
    """In several forms, and lists of numbers with few digits."""
    secrets = Secrets(assignment, course.hidden_seed())
    number = sorted(secrets.numbers)[0]
    for text in (
        f"x = {number[0]}.{number[1:]}e-05,",
        f"[-0.00{number}123 1.]",
        f'"{number[:3]}.{number[3:]}9"',
    ):
        assert secrets.found(text) == [number]
    entries = min(run for run in secrets.lists if "n" not in run).split()
    for separator in (", ", " ", ",\n    "):
        assert secrets.found(f"array([0.5, {separator.join(entries)}])") == [" ".join(entries)]


def test_grading_again_changes_nothing_and_grades_nothing(course):
    before = {path: path.read_bytes() for path in course.autograded_folder.rglob("report.json")}
    assert grade_class.grade(course, "mean_field", jobs=2, limits=LIMITS) == []
    grade_class.grade(
        course, "mean_field", students=["cleo_partly_right", "bo_other_route"], force=True, limits=LIMITS
    )
    assert {path: path.read_bytes() for path in before} == before


def test_a_submission_that_changes_is_graded_again_alone(course):
    path = course.submission_folder("dan_blank", "mean_field") / "mean_field.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "I tried.", "id": "new"})
    path.write_text(json.dumps(notebook))
    graded = grade_class.grade(course, "mean_field", jobs=1, limits=LIMITS)
    assert [report.student for report in graded] == ["dan_blank"]


def test_another_seed_gives_the_same_points(course):
    before = {student: report.points for student, report in reports(course, "gibbs_principle").items()}
    seed = course.directory / ".hidden_seed"
    kept = seed.read_text()
    seed.write_text("1f\n")
    students = ["bo_other_route", "cleo_partly_right", *(f"misconceptions_{k}" for k in range(1, 8))]
    try:
        again = grade_class.grade(course, "gibbs_principle", students=students, jobs=2, limits=LIMITS)
    finally:
        seed.write_text(kept)
    assert {report.student: report.points for report in again} == {
        student: before[student] for student in students
    }
