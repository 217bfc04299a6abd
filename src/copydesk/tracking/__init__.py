"""Every training run on record: what went in, how it went, what came out; in MLflow, and in W&B where it is set up."""
