-- Who is signed in to the dashboard. Of the token only its SHA-256 is kept. A session of a key goes with the key, and
-- ends while that is revoked, expired, or of another role than the session was opened with.
CREATE TABLE web_sessions (
    id uuid PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    identity text NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    kind text NOT NULL CHECK (kind IN ('key', 'person', 'system')),
    key_id uuid REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    user_agent text NOT NULL
);
CREATE INDEX web_sessions_by_identity ON web_sessions (identity, created_at DESC);
CREATE INDEX web_sessions_by_end ON web_sessions (expires_at);
