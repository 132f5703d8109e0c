"""Games and programs: source, manifest, golden recording, digests and picture of each. `make.py` makes what is made."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
