"""Agent that turns runs of Port into TaskActions and reports their progress to Port; executes nothing itself."""
