-- What the ledger is: its id, and the number of the last batch that it took.
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- What usage is asked by, each combination once. Empty texts and status 0 stand for none.
CREATE TABLE dimension (
    id INTEGER PRIMARY KEY,
    consumer TEXT NOT NULL, app TEXT NOT NULL, key TEXT NOT NULL,
    api TEXT NOT NULL, route TEXT NOT NULL, method TEXT NOT NULL,
    status INTEGER NOT NULL, outcome TEXT NOT NULL,
    UNIQUE (consumer, app, key, api, route, method, status, outcome)
);

-- Usage by step; start: seconds since 1970 in UTC. By start first: periods are read, and old ones deleted, in one run.
CREATE TABLE minute (
    start INTEGER NOT NULL, dimension INTEGER NOT NULL,
    requests INTEGER NOT NULL, uncertain INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL, service_us INTEGER NOT NULL,
    PRIMARY KEY (start, dimension)
) WITHOUT ROWID;
CREATE TABLE quarter (
    start INTEGER NOT NULL, dimension INTEGER NOT NULL,
    requests INTEGER NOT NULL, uncertain INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL, service_us INTEGER NOT NULL,
    PRIMARY KEY (start, dimension)
) WITHOUT ROWID;
CREATE TABLE day (
    start INTEGER NOT NULL, dimension INTEGER NOT NULL,
    requests INTEGER NOT NULL, uncertain INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL, service_us INTEGER NOT NULL,
    PRIMARY KEY (start, dimension)
) WITHOUT ROWID;

-- What was not seen, or not with certainty, by step (60, 900 or 86400 seconds).
CREATE TABLE coverage (
    step INTEGER NOT NULL, start INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (step, start, reason)
) WITHOUT ROWID;

-- t-digests of microseconds by route and hour; HyperLogLog sketches of client networks by key and day.
CREATE TABLE latency (
    start INTEGER NOT NULL, api TEXT NOT NULL, route TEXT NOT NULL, sketch BLOB NOT NULL,
    PRIMARY KEY (start, api, route)
) WITHOUT ROWID;
CREATE TABLE network (
    start INTEGER NOT NULL, consumer TEXT NOT NULL, key TEXT NOT NULL, sketch BLOB NOT NULL,
    PRIMARY KEY (start, consumer, key)
) WITHOUT ROWID;

-- Times in which nothing was observed, seconds since 1970 in UTC.
CREATE TABLE gap (start INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL);
