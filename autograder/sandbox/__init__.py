"""Runs strangers' code: a fork server in bubblewrap, with namespaces, limits and a plain-data channel."""

from autograder.sandbox.bubblewrap import SandboxUnavailable
from autograder.sandbox.client import RunResult, Session, SessionLost, WrongType
from autograder.sandbox.inside.channel import Source
from autograder.sandbox.limits import Limits
from autograder.sandbox.sandbox import Probe, Sandbox, probe

__all__ = [
    "Limits",
    "Probe",
    "RunResult",
    "Sandbox",
    "SandboxUnavailable",
    "Session",
    "SessionLost",
    "Source",
    "WrongType",
    "probe",
]
