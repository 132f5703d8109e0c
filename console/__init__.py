"""How a person sees and plays it: window, terminal, pictures."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
