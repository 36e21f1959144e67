// Package logging writes log lines in the shape that OpenCTI's Python client
// gives them, so that what already collects a connector's log goes on working.
//
// A line is one JSON object with its keys in a fixed order:
//
//	{"timestamp": "2026-11-23T21:40:43.222548Z", "level": "INFO", "name": "My Connector", "message": "Message ack", "attributes": {"tag": 1}}
//
// "exc_info" stands before "attributes" from ERROR upwards: the text of the
// attribute "error", or "NoneType: None". "attributes" is there only when there
// are any. With JSON off, a line is LEVEL:name:message key=value.
//
// Configured secrets never leave through it: every occurrence of one, in the
// message, a key or a value, becomes "[redacted]". That is the last line of
// defence and no leave to log them: it knows a secret as it is written and as
// JSON, Go and URLs quote it, but not hashed, encoded or cut in two.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// LevelCritical is Python's CRITICAL, one step above slog.LevelError.
const LevelCritical = slog.LevelError + 4

// Options says how lines look. The zero value writes text from INFO upwards
// with an empty name.
type Options struct {
	// Name is the connector's name, the "name" of each line.
	Name string
	// Level is the least level that is written; nil means slog.LevelInfo.
	// A *slog.LevelVar can be changed while running.
	Level slog.Leveler
	// JSON chooses JSON lines over text.
	JSON bool
	// Secrets are the values to replace. Those under four characters are left
	// out: replacing them would garble every line.
	Secrets []string
}

// New returns a logger that writes to w, one Write for each line.
func New(w io.Writer, o Options) *slog.Logger {
	return slog.New(NewHandler(w, o))
}

// ParseLevel reads the levels that OpenCTI's connectors accept, in any case:
// debug, info, warn, warning, error and critical.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "critical":
		return LevelCritical, nil
	}
	return 0, fmt.Errorf("not a log level; write debug, info, warn, error or critical")
}

// levelName is Python's name of the level at or below l.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < LevelCritical:
		return "ERROR"
	}
	return "CRITICAL"
}
