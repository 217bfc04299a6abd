"""The HTTP API: torch-free answers, jobs, a page. `create_app` in `app.py` puts the pieces together."""
