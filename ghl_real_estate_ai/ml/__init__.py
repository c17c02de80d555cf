"""The knowledge: features, learned models, matching. Pure; the only I/O is reading artifact files."""
