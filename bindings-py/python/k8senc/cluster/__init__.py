"""A cluster's API servers: how to reach them, what they say of themselves, and how to have every object written again.

Needs the extra `cluster` (urllib3, PyYAML).
"""
