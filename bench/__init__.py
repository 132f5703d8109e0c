"""How fast is it, against whom, against which release? The verbs are `pbs bench ...`; pytest-benchmark files stand in `units/`."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
