-- Actions against keys, accounts and networks as they stand, the whole of each as JSON; begun: seconds since 1970 in UTC.
CREATE TABLE action (id TEXT PRIMARY KEY, state TEXT NOT NULL, begun INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

-- What was done about them, by whom and why, as JSON; time: nanoseconds since 1970 in UTC. Nothing in it is ever changed.
CREATE TABLE action_event (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, action TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX action_event_by_time ON action_event (time);

-- How accepted credentials were spelled: a keyed hash, the credential's fingerprint, and when it was seen last.
CREATE TABLE spelling (
    hash INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, location TEXT NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;
