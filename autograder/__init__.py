"""Grades students' notebooks: their code runs in a sandbox, the checks run outside it."""
