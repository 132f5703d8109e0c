"""The release number of the package. Compatibility never depends on it; see `axes`."""

VERSION = "0.1.0"
