"""What users write and read: the pydantic models from which CRDs, schemas and pages are generated."""
