"""Brain metastases on contrast-enhanced T1, for stereotactic radiosurgery."""

from pipeline.recipes.srs.recipe import PIPELINE

__all__ = ["PIPELINE"]
