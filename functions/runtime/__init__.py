"""What entry points share: settings, observability, dispatch, consequences, wiring."""
