"""Where a run is kept, when it is reused, and who may train it.

- ``runs.key``: ``digest_of``, ``sources_digest``: the digest a finished stage is found by.
- ``runs.lock``: ``locked``: one process trains, the others wait.
- ``runs.directory``: ``RunDirectory``: the files of one run.
- ``runs.status``: ``Status``: how far a run is.
"""
