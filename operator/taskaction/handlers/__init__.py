"""kopf: parse, hand over, translate errors; nothing else."""
