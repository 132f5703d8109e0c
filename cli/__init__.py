"""The command `pbs`: one verb, one module, one function of the rooms below."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
