"""What entry points share: environment, observability, dispatch, consequences, wiring."""
