"""Suspicious marks on mammograms, breast by breast, from all views of a study together."""

from pipeline.recipes.mammography.recipe import PIPELINE

__all__ = ["PIPELINE"]
