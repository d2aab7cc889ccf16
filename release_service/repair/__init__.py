"""Database, store and indexes are brought to say the same again; what cannot be is named.

``reindex`` writes the indexes anew from the rows, by the writer that publication uses.  ``reconcile`` compares the
rows with a listing of the store and with small documents, a module at a time; it mends what the database holds, and
adopts what only the bucket does.  ``rebuild`` fills an empty database from the bucket's release.json files (`record`
reads them, `adoption` holds them against the objects beside them, `rings` keeps the published keys).

Nothing that is written once is ever overwritten or deleted here (docs/decisions/0019).
"""
