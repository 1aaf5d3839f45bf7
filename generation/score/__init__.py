"""Scores per dimension, verdicts, and what to change for the next take."""
