"""The local system: the synthesized template, run on moto. No other package imports this one."""
