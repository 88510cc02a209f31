"""What makes the files of pipeline.recipes.srs.anatomy: the structure network and the atlas."""
