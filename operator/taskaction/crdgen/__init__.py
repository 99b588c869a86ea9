"""From the models to CRDs and reference pages; writes files, reads only models."""
