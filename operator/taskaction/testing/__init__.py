"""For tests of users' own actions, flows and executors: a cluster in memory, time under control, targets that obey.

pytest loads ``plugin`` by itself; everything else is loaded by the fixture that needs it.
"""
