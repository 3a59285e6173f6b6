-- The history of mcp-probe. Times are microseconds since 1970 (UTC), durations microseconds, unless the name says else.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO words VALUES (1, 'healthy'), (2, 'degraded'), (3, 'failed'), (4, 'unknown'), (5, 'skipped');
CREATE TABLE targets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, rolled_until INTEGER NOT NULL) STRICT;
CREATE TABLE pairs (
  id INTEGER PRIMARY KEY, target INTEGER NOT NULL REFERENCES targets, probe TEXT NOT NULL, every INTEGER NOT NULL,
  UNIQUE (target, probe)) STRICT;
-- status, reason, identity: words. stands: for how long the result holds where no other follows, in ms.
CREATE TABLE samples (
  pair INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL, stands INTEGER NOT NULL, duration INTEGER NOT NULL,
  latencies BLOB NOT NULL, identity INTEGER, reason INTEGER, message TEXT, certificate_ends_s INTEGER,
  token_ends_s INTEGER, cpu INTEGER, resident_bytes INTEGER, PRIMARY KEY (pair, at)) STRICT, WITHOUT ROWID;
CREATE INDEX troubles ON samples (pair, at) WHERE status > 1;
CREATE TABLE transcripts (
  pair INTEGER NOT NULL, at INTEGER NOT NULL, lines TEXT NOT NULL, PRIMARY KEY (pair, at)) STRICT, WITHOUT ROWID;
CREATE TABLE missed (
  pair INTEGER NOT NULL, hour INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (pair, hour, reason)) STRICT, WITHOUT ROWID;
-- Hours (span 3600) and days (86400): runs by status, time by status, streaks of failure.
CREATE TABLE rollups (
  span INTEGER NOT NULL, pair INTEGER NOT NULL, at INTEGER NOT NULL, healthy INTEGER NOT NULL, degraded INTEGER NOT NULL,
  failed INTEGER NOT NULL, unknown INTEGER NOT NULL, up INTEGER NOT NULL, limping INTEGER NOT NULL,
  down INTEGER NOT NULL, dark INTEGER NOT NULL, streaks INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (span, pair, at)) STRICT, WITHOUT ROWID;
CREATE TABLE spreads (
  span INTEGER NOT NULL, pair INTEGER NOT NULL, at INTEGER NOT NULL, counts BLOB NOT NULL,
  PRIMARY KEY (span, pair, at)) STRICT, WITHOUT ROWID;
-- The same of a target as a whole: at each moment the worst of its probes.
CREATE TABLE uptimes (
  span INTEGER NOT NULL, target INTEGER NOT NULL, at INTEGER NOT NULL, up INTEGER NOT NULL, limping INTEGER NOT NULL,
  down INTEGER NOT NULL, dark INTEGER NOT NULL, streaks INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (span, target, at)) STRICT, WITHOUT ROWID;
CREATE TABLE alert_changes (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, alert TEXT NOT NULL, probe TEXT NOT NULL, target TEXT NOT NULL,
  state TEXT NOT NULL, firing INTEGER NOT NULL, message TEXT NOT NULL) STRICT;
CREATE INDEX alert_changes_of_target ON alert_changes (target, id);
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, dedup_key TEXT NOT NULL, transition TEXT NOT NULL,
  body TEXT NOT NULL, at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER, last_error TEXT) STRICT;
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY, channel TEXT NOT NULL, dedup_key TEXT NOT NULL, transition TEXT NOT NULL, at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL, attempts INTEGER NOT NULL, dropped_because TEXT) STRICT;
CREATE TABLE counters (target TEXT PRIMARY KEY, requests INTEGER NOT NULL, errors INTEGER NOT NULL) STRICT, WITHOUT ROWID;
