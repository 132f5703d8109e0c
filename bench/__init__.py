"""How fast is it, and against whom? `python -m pbs.bench` prints the tables; units are pytest-benchmark files in `units/`."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
