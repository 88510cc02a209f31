"""Brain extraction, the atlas, and the names of places; see README.md of this package."""

from pipeline.recipes.srs.anatomy.atlas import FOLDER
from pipeline.recipes.srs.anatomy.head import Anatomy, anatomy_of

__all__ = ["FOLDER", "Anatomy", "anatomy_of"]
