"""Types of the JSON form of actions and runs of flows, generated from the models of the operator."""
