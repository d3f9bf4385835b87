"""The local runtime: the synthesized template, run on moto.  Nothing imports this package."""
