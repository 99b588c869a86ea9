"""Stands in the way of a package that only tools of developers bring, in the processes that tests start.

The image has no ``rfc3987_syntax``. ``jsonschema`` imports it if it is there, which takes half of the time that an
operator needs to start.
"""

raise ImportError("not in the image")
