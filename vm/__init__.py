"""How an Image runs: state, frames, engines, snapshots, digests."""

if not __name__.startswith("pbs."):
    raise ImportError(f"import it as pbs.{__name__}")
