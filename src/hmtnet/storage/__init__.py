"""Where a run is kept, when it is reused, and who may train it.

- ``storage.key``: ``digest_of``, ``sources_digest``: the digest a finished stage is found by.
- ``storage.lock``: ``locked``: one process trains, the others wait.
- ``storage.directory``: ``RunDirectory``: the files of one run.
- ``storage.status``: ``Status``: how far a run is.
"""
