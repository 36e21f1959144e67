package wire

import "log/slog"

// Secret is a string that prints as "[redacted]".
type Secret string

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// String hides the secret from fmt.
func (Secret) String() string { return Redacted }

// GoString hides the secret from fmt's %#v.
func (Secret) GoString() string { return Redacted }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue hides the secret from log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }
