-- Incidents as they stand, the whole of each as JSON; detected: seconds since 1970 in UTC.
CREATE TABLE incident (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, state TEXT NOT NULL, detected INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX incident_by_time ON incident (detected);

-- What is usual for a key, a route, or everybody; seen: when it was written last.
CREATE TABLE baseline (name TEXT PRIMARY KEY, state BLOB NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
