"""Jinja2 templates, style and message catalogues."""
