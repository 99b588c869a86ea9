"""Generation of CRDs and reference pages from the API models; reads only models, writes files."""
