"""The Helm chart: the pinned helm, and what is made with it; knows nothing of images and clusters."""
