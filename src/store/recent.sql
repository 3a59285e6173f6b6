-- Runs in the order of their arrival, until enough have come together to be sorted into samples. part: pair / 64.
CREATE TABLE recent (
  part INTEGER NOT NULL, at INTEGER NOT NULL, pair INTEGER NOT NULL, status INTEGER NOT NULL, stands INTEGER NOT NULL,
  duration INTEGER NOT NULL, latencies BLOB NOT NULL, identity INTEGER, reason INTEGER, message TEXT,
  certificate_ends_s INTEGER, token_ends_s INTEGER, cpu INTEGER, resident_bytes INTEGER,
  PRIMARY KEY (part, at, pair)) STRICT, WITHOUT ROWID;
-- For whoever opens this file by hand.
CREATE VIEW runs AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', s.at / 1e6, 'unixepoch') AS at, p.probe, t.name AS target, w.word AS status,
    r.word AS reason, s.duration / 1000.0 AS duration_ms, s.message
  FROM (SELECT pair, at, status, reason, duration, message FROM samples
      UNION ALL SELECT pair, at, status, reason, duration, message FROM recent) s
    JOIN pairs p ON p.id = s.pair JOIN targets t ON t.id = p.target JOIN words w ON w.id = s.status
    LEFT JOIN words r ON r.id = s.reason;
