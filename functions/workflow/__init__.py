"""The workflow function: the steps of the Step Functions execution of a run."""
