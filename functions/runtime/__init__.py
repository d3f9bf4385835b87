"""What entry points share: environment, metrics, dispatch, consequences, wiring."""
