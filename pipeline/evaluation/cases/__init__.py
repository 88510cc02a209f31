"""Scans with truth, from wherever they come."""

from pipeline.evaluation.cases.case import Case, Entry, Tier, make_case

__all__ = ["Case", "Entry", "Tier", "make_case"]
