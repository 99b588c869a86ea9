"""Other frameworks' programming interfaces on top of this operator; nothing else may depend on them."""
