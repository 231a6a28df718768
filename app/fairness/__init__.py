"""The parts of the Fairness page, one file a view."""
