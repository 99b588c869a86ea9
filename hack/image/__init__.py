"""The operator's image, with Docker where it answers and without a daemon elsewhere; knows nothing of clusters."""
