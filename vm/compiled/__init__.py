"""Verified blocks as machine code, entered from the interpreter's records and left for them at every stop."""
