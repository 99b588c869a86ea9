"""What a release is made of: its version, its notes, its files; builds and checks, and uploads nothing by itself."""
