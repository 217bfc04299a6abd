"""A new project's folder: recipe, texts, pipeline, workflows, containers."""
