"""What an instruction, a type and a program are; how they are written as bytes and as text."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
