"""The documents as a site: what mkdocs calls while it builds, and the pages that are generated from the code."""
